"""Rules are made, changed, removed and tried here, and what happens to a run becomes deliveries."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from stepwell.accounts import audit
from stepwell.accounts.models import User
from stepwell.alerts import chat, outbound, wording
from stepwell.alerts.models import AlertRule, Delivery, Event
from stepwell.core.status import TERMINAL_RUN, RunStatus
from stepwell.errors import Conflict, NotFound, UsageError
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run
from stepwell.vault import sealing

_EVENTS = {RunStatus.FAILED: Event.FAILED, RunStatus.COMPLETED: Event.RECOVERED, RunStatus.PAUSED: Event.WAITING}
_FLAGS = {
    Event.FAILED: "on_failed",
    Event.RECOVERED: "on_recovered",
    Event.WAITING: "on_waiting",
    Event.WATCHED: "on_watched",
}


def owe(run_id: UUID, status: str, *, watchers: list[str] | None = None) -> None:
    """Store the alerts that a run's move to ``status`` calls for, one for each rule that takes it.

    The caller has the transaction of the move open. ``watchers`` asked to be told when the run has ended.
    """
    event = _EVENTS.get(RunStatus(status))
    wanted = {event, Event.WATCHED if watchers else None} - {None}
    rules = AlertRule.objects.filter(any_of(wanted), is_enabled=True) if wanted else ()
    if not rules:
        return
    run = Run.objects.select_related("pipeline").get(id=run_id)
    if event == Event.RECOVERED and not _failed_before(run):
        wanted.discard(event)
    owed = []
    for rule in rules:
        # What went wrong says more than that somebody waited.
        of_rule = next((one for one in _FLAGS if one in wanted and getattr(rule, _FLAGS[one])), None)
        if of_rule and rule.pipeline_id in (None, run.pipeline_id):
            owed.append(Delivery(rule=rule, run=run, event=of_rule, payload=wording.payload(run, of_rule, watchers)))
    Delivery.objects.bulk_create(owed)


def any_of(events: set[Any]) -> Q:
    """Return the rules that take one of these events."""
    return Q(*(Q(**{_FLAGS[event]: True}) for event in events), _connector=Q.OR)


def flags(rule: AlertRule) -> list[str]:
    """Return the events a rule takes."""
    return [event.value for event, flag in _FLAGS.items() if getattr(rule, flag)]


def _failed_before(run: Run) -> bool:
    earlier = Run.objects.filter(pipeline=run.pipeline_id, status__in=TERMINAL_RUN).exclude(id=run.id)
    # A cancelled run says nothing about whether the pipeline works.
    latest = earlier.exclude(status=RunStatus.CANCELLED).order_by("-ended_at", "-id").first()
    return latest is not None and latest.status == RunStatus.FAILED


@sensitive_variables("url")
def put_rule(
    *,
    rule: AlertRule | None = None,
    kind: str,
    name: str,
    url: str,
    pipeline: Pipeline | None = None,
    events: set[str],
    is_enabled: bool = True,
    by: User | None,
    ip: str | None = None,
) -> AlertRule:
    """Store a new rule, or change ``rule``; an empty ``url`` keeps the one it has.

    Raises:
        UsageError: The name, address or choice of events does not do; ``fields`` in its details says which and why.
        ConfigError: The library for e-mail and chat is not installed.
        Conflict: Another rule has the name.
        VaultError: The key ring cannot be used.
    """
    _check(name=name, url=url, events=events, is_new=rule is None)
    shown = _check_destination(kind, url) if url else ""
    with transaction.atomic():
        if AlertRule.objects.filter(name=name).exclude(pk=rule.pk if rule else None).exists():
            why = f"There is a rule called {name} already."
            raise Conflict(why, hint="Choose another name.", fields={"name": why})
        before = _told(rule) if rule else None
        row = rule or AlertRule(kind=kind)
        row.name, row.pipeline, row.is_enabled = name, pipeline, is_enabled
        for event, flag in _FLAGS.items():
            setattr(row, flag, event in events)
        if url:
            row.shown = shown
            row.destination = _seal(url, rule=rule)
        row.save()
        action = "alert_rule.changed" if rule else "alert_rule.added"
        _record(row, action, by=by, ip=ip, before=before, after=_told(row))
    return row


def remove_rule(*, rule: AlertRule, by: User | None, ip: str | None = None) -> None:
    """Remove a rule with its deliveries."""
    with transaction.atomic():
        _record(rule, "alert_rule.removed", by=by, ip=ip, before=_told(rule))
        destination = rule.destination
        rule.delete()
        destination.delete()


def send_test(*, rule: AlertRule, by: User | None, ip: str | None = None) -> Delivery:
    """Store a test for a rule's address; it is delivered like any alert."""
    with transaction.atomic():
        _record(rule, "alert_rule.tested", by=by, ip=ip)
        return Delivery.objects.create(rule=rule, event=Event.TEST, payload=wording.test_payload(rule.name))


def redeliver(*, delivery: Delivery, by: User | None, ip: str | None = None) -> Delivery:
    """Send an alert once more, with the same event id; one that waits for its next try is sent now.

    Raises:
        Conflict: It is being sent.
    """
    with transaction.atomic():
        again = Delivery.objects.filter(id=delivery.id).exclude(status=Delivery.Status.OPEN, error="")
        if not again.update(status=Delivery.Status.OPEN, tries=0, due_at=0, ended_at=None, error=""):
            raise Conflict("This alert is being sent.", hint="Wait a moment.")
        _record(delivery.rule, "alert.redelivered", by=by, ip=ip, after={"event_id": str(delivery.id)})
    delivery.refresh_from_db()
    return delivery


def get_rule(rule_id: UUID) -> AlertRule:
    """Return a rule.

    Raises:
        NotFound: There is none with this id.
    """
    rule = AlertRule.objects.select_related("destination", "pipeline").filter(id=rule_id).first()
    if rule is None:
        raise NotFound("There is no such alert rule.")
    return rule


@sensitive_variables()
def opened(rule: AlertRule) -> dict[str, str]:
    """Return where a rule's alerts go: ``url``, and ``secret`` that a webhook is signed with.

    Raises:
        VaultError: It cannot be decrypted.
    """
    found: dict[str, str] = json.loads(sealing.read(rule.destination))
    return found


@sensitive_variables("url", "secret")
def _seal(url: str, *, rule: AlertRule | None) -> Any:
    secret = opened(rule)["secret"] if rule else f"whsec_{secrets.token_urlsafe(32)}"
    return sealing.put(json.dumps({"url": url, "secret": secret}), row=rule.destination if rule else None)


def _check(*, name: str, url: str, events: set[str], is_new: bool) -> None:
    fields = {}
    if not name.strip() or len(name) > 100 or not name.isprintable():
        fields["name"] = "Give a name of 1 to 100 characters."
    if not events & set(_FLAGS):
        fields["events"] = "Choose at least one."
    if is_new and not url:
        fields["url"] = "Give an address."
    if fields:
        raise UsageError("This rule does not do.", hint=" ".join(fields.values()), fields=fields)


@sensitive_variables("url", "parts")
def _check_destination(kind: str, url: str) -> str:
    """Return what may be shown of an address: it can hold passwords anywhere but in its scheme and host."""
    try:
        if kind == AlertRule.Kind.APPRISE:
            return chat.check(url)
        parts = outbound.check_url(url)
        outbound.resolve(str(parts.hostname), parts.port or 443)
    except outbound.Blocked as exc:
        raise UsageError("This address is not called.", fields={"url": f"{exc.message} {exc.hint}"}) from None
    except UsageError as exc:
        why = f"{exc.message} {exc.hint}".strip()
        raise type(exc)(exc.message, hint=exc.hint, fields={"url": why}) from None
    except outbound.Unavailable as exc:
        raise UsageError("This address is not known.", fields={"url": exc.message}) from None
    return f"{parts.scheme}://{urlsplit(url).hostname}"[:255]


def _told(rule: AlertRule) -> dict[str, Any]:
    pipeline = rule.pipeline.name if rule.pipeline else ""
    return {"shown": rule.shown, "pipeline": pipeline, "events": flags(rule), "is_enabled": rule.is_enabled}


def _record(
    rule: AlertRule,
    action: str,
    *,
    by: User | None,
    ip: str | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit.record(
        actor=by,
        action=action,
        object_kind="alert_rule",
        object_id=rule.pk,
        object_name=rule.name,
        ip=ip,
        before=before,
        after=after,
    )
