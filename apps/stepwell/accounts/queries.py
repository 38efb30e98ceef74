"""What the pages of people, tokens and the audit log read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

from django.db.models import Q, QuerySet

from stepwell.accounts.models import ApiToken, AuditEvent, Role, User, as_uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """One page of the audit log, newest first. ``next_before`` is the cursor of the page after it, or None."""

    events: list[AuditEvent]
    next_before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which rows of the audit log are asked for; empty fields leave nothing out.

    ``action``: one action, or the first part of several: ``secret`` finds ``secret.created`` and ``secret.deleted``.
    ``actor``: a person's name or id. ``on``: a part of the name of what was acted on. ``ip``: an address.
    ``since`` and ``until``: days, both included, in ``zone``.
    """

    action: str = ""
    actor: str = ""
    on: str = ""
    ip: str = ""
    since: date | None = None
    until: date | None = None

    def apply(self, *, zone: tzinfo) -> QuerySet[AuditEvent]:
        """Return the rows, newest first."""
        events = AuditEvent.objects.order_by("-pk")
        if self.action:
            events = events.filter(Q(action=self.action) | Q(action__startswith=f"{self.action}."))
        if self.actor:
            key = as_uuid(self.actor)
            events = events.filter(actor_id=key) if key else events.filter(actor_name__iexact=self.actor)
        if self.on:
            events = events.filter(object_name__icontains=self.on)
        if self.ip:
            events = events.filter(ip=self.ip)
        if self.since:
            events = events.filter(at__gte=datetime.combine(self.since, time.min, zone))
        if self.until:
            events = events.filter(at__lte=datetime.combine(self.until, time.max, zone))
        return events


def list_audit(*, before: int | None = None, limit: int = 50, zone: tzinfo = UTC, **asked: Any) -> AuditPage:
    """Return a page of the rows asked for (see ``AuditFilter``), from those older than the one with id ``before``."""
    events = AuditFilter(**asked).apply(zone=zone)
    if before is not None:
        events = events.filter(pk__lt=before)
    found = list(events[: limit + 1])
    return AuditPage(events=found[:limit], next_before=found[limit - 1].pk if len(found) > limit else None)


def audit_actions() -> list[str]:
    """Return every action the log holds, sorted."""
    return list(AuditEvent.objects.order_by("action").values_list("action", flat=True).distinct())


def list_people() -> QuerySet[User]:
    """Return everybody, the active ones first."""
    return User.objects.order_by("-is_active", "username")


def list_services() -> QuerySet[User]:
    """Return the active service accounts."""
    return User.objects.filter(is_service=True, is_active=True).order_by("username")


def list_tokens(*, viewer: User) -> QuerySet[ApiToken]:
    """Return the tokens ``viewer`` may see: their own, and everybody's for an admin."""
    tokens = ApiToken.objects.select_related("user")
    return tokens if viewer.may(Role.ADMIN) else tokens.filter(user=viewer)
