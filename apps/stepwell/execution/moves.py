"""State moves of steps, attempts and runs, each saved by compare-and-set together with its event."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from stepwell.alerts import actions as alerts
from stepwell.core.status import TERMINAL_RUN, TERMINAL_STEP, AttemptStatus, RunStatus, StepStatus, check_step_move
from stepwell.execution import run_ends
from stepwell.execution.doorbell import ring_on_commit
from stepwell.kit.models import DbNow
from stepwell.kit.prepared import Insert, Slot, Update
from stepwell.runs import events
from stepwell.runs.models import Attempt, Run, StepRun


def lock_run(**which: UUID) -> None:
    """Have the run to ourselves until the open transaction ends. Whoever moves a step of a run does this first.

    Two steps that end together would otherwise each see the other still running, and start nothing below them; and
    two who lock rows in different orders would wait for each other. SQLite has one writer at a time in any case.
    """
    if connection.features.has_select_for_update:
        Run.objects.select_for_update(of=("self",)).only("id").filter(**which).first()


def move_step(step: StepRun, new: StepStatus, *, reason: str = "", **also: Any) -> bool:
    """Move a step and record the event; return False when another process moved it first."""
    check_step_move(step.status, new)
    changes: dict[str, Any] = {"status": new, "status_reason": reason, **also}
    if new in TERMINAL_STEP:
        changes["ended_at"] = timezone.now()
    if not _MOVE(changes, step=step.id, old=step.status):
        return False
    for name, value in changes.items():
        setattr(step, name, value)
    events.record(step.run_id, "step.status", step_payload(step))
    return True


_MOVE = Update(lambda: StepRun.objects.filter(id=Slot("step"), status=Slot("old")))
_NEW_ATTEMPT = Insert(Attempt, rung_at=DbNow())


def step_payload(step: StepRun) -> dict[str, Any]:
    """Return what an event says of a step."""
    return {
        "step": str(step.id),
        "invocation_id": step.invocation_id,
        "name": step.name,
        "kind": step.kind,
        "status": str(step.status),
        "reason": step.status_reason,
    }


def make_attempt(step: StepRun) -> Attempt:
    """Store the next attempt of a step that is queued, and ring for it once the transaction is stored."""
    return _store_attempt(step, number=Attempt.objects.filter(step_run=step).count() + 1)


def _store_attempt(step: StepRun, *, number: int) -> Attempt:
    attempt = Attempt(step_run=step, number=number)
    _NEW_ATTEMPT(attempt)
    ring_on_commit(attempt.id)
    return attempt


def queue_step(step: StepRun, *, reason: str = "", **also: Any) -> Attempt:
    """Move a pending, retrying or interrupted step to queued, with a new attempt."""
    is_first = step.status == StepStatus.PENDING
    move_step(step, StepStatus.QUEUED, reason=reason, next_attempt_at=None, **also)
    return _store_attempt(step, number=1) if is_first else make_attempt(step)


def move_run(run_id: UUID, new: RunStatus, *, old: tuple[RunStatus, ...], reason: str = "", **also: Any) -> bool:
    """Move a run that is in one of ``old`` and record the event; return whether it moved."""
    changes: dict[str, Any] = {"status": new, "status_reason": reason, "updated_at": timezone.now(), **also}
    if new in TERMINAL_RUN:
        changes["ended_at"] = timezone.now()
        # A run whose every result was kept ends without any step having started.
        changes["started_at"] = Coalesce("started_at", timezone.now())
    if not Run.objects.filter(id=run_id, status__in=old).update(**changes):
        return False
    watchers = run_ends.settle(run_id, new) if new in TERMINAL_RUN else []
    events.record(run_id, "run.status", {"status": str(new), "reason": reason})
    alerts.owe(run_id, new, watchers=watchers)
    return True


def cancel_queued(steps: list[StepRun], *, reason: str) -> None:
    """Cancel steps that no worker holds, with their queued attempts."""
    for step in steps:
        with transaction.atomic():
            Attempt.objects.filter(step_run=step, status=AttemptStatus.QUEUED).update(
                status=AttemptStatus.CANCELLED, status_reason=reason, ended_at=timezone.now(), fence=F("fence") + 1
            )
            move_step(step, StepStatus.CANCELLED, reason=reason, next_attempt_at=None)
