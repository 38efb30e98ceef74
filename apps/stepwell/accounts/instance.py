"""The instance's settings, changed as a whole and written to the audit log field by field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from stepwell.accounts import audit
from stepwell.accounts.models import AuditEvent, InstanceSettings, User
from stepwell.errors import UsageError

#: what is set, by what it is about
SECTIONS: dict[str, tuple[str, ...]] = {
    "Instance": ("instance_name", "time_zone", "step_slots"),
    "What is kept": ("retention_days", "retention_runs", "log_cap_mib", "redaction_patterns"),
    "Steps whose code says nothing else": (
        "step_retries",
        "step_retry_wait_seconds",
        "step_timeout_seconds",
        "step_cache",
        "heartbeat_threshold_minutes",
    ),
}
FIELDS = tuple(name for names in SECTIONS.values() for name in names)
_CHANGED = "settings.changed"
#: the settings changed before these have the values their forms were saved with
_EVENTS_READ = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """When a setting got its value, and who gave it; ``by`` is empty when nobody knows."""

    at: datetime
    by: str


def latest_changes() -> dict[str, Change]:
    """Return the latest change of every setting somebody changed, as the audit log has it."""
    events = AuditEvent.objects.filter(action=_CHANGED).order_by("-id")[:_EVENTS_READ]
    found: dict[str, Change] = {}
    for event in events:
        for name in event.after:
            found.setdefault(name, Change(at=event.at, by=event.actor_name))
    return found


def change_settings(*, values: dict[str, Any], by: User | None, ip: str | None = None) -> InstanceSettings:
    """Store new values for some or all of :data:`FIELDS`.

    Raises:
        UsageError: A name is unknown or a value does not fit; ``fields`` in its details says which and why.
    """
    if unknown := sorted(set(values) - set(FIELDS)):
        raise UsageError(f"There is no setting {unknown[0]}.", hint=f"The settings are {', '.join(FIELDS)}.")
    InstanceSettings.load()
    with transaction.atomic():
        row = InstanceSettings.objects.select_for_update().get(pk=InstanceSettings.SINGLETON)
        before = {name: getattr(row, name) for name in values}
        for name, value in values.items():
            setattr(row, name, value)
        try:
            row.full_clean()
        except ValidationError as exc:
            fields = {name: " ".join(texts) for name, texts in exc.message_dict.items()}
            raise UsageError("These settings do not fit.", hint=" ".join(fields.values()), fields=fields) from None
        changed = [name for name in values if before[name] != getattr(row, name)]
        if changed:
            row.save(update_fields=[*changed, "changed_at"])
            audit.record(
                actor=by,
                action=_CHANGED,
                object_kind="settings",
                object_name="Instance settings",
                ip=ip,
                before={name: before[name] for name in changed},
                after={name: getattr(row, name) for name in changed},
            )
    return row
