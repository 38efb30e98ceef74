"""What the pages of people, tokens and the audit log read."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from stepwell.accounts.models import ApiToken, AuditEvent, Role, User, as_uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """One page of the audit log, newest first. ``next_before`` is the cursor of the page after it, or None."""

    events: list[AuditEvent]
    next_before: int | None


def list_audit(*, action: str = "", actor: str = "", before: int | None = None, limit: int = 50) -> AuditPage:
    """Return events older than the one with id ``before``.

    Args:
        action:
            One action, or the first part of several: ``secret`` finds ``secret.created`` and ``secret.deleted``.
        actor:
            A person's name or id.
    """
    events = AuditEvent.objects.all()
    if action:
        events = events.filter(Q(action=action) | Q(action__startswith=f"{action}."))
    if actor:
        events = events.filter(actor_name__iexact=actor) if not (key := as_uuid(actor)) else events.filter(actor_id=key)
    if before is not None:
        events = events.filter(pk__lt=before)
    found = list(events.order_by("-pk")[: limit + 1])
    return AuditPage(events=found[:limit], next_before=found[limit - 1].pk if len(found) > limit else None)


def audit_actions() -> list[str]:
    """Return every action the log holds, sorted."""
    return list(AuditEvent.objects.order_by("action").values_list("action", flat=True).distinct())


def list_people() -> QuerySet[User]:
    """Return everybody, the active ones first."""
    return User.objects.order_by("-is_active", "username")


def list_tokens(*, viewer: User) -> QuerySet[ApiToken]:
    """Return the tokens ``viewer`` may see: their own, and everybody's for an admin."""
    tokens = ApiToken.objects.select_related("user")
    return tokens if viewer.may(Role.ADMIN) else tokens.filter(user=viewer)
