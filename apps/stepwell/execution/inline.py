"""Steps with ``runtime="inline"``: rows and attempts like any other, but their driver's process runs them."""

from __future__ import annotations

import os
import socket
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from stepwell.core.status import DONE_STEP, TERMINAL_STEP, AttemptStatus, StepStatus
from stepwell.engine.endings import outcome_of_result
from stepwell.engine.ports import ErrorInfo, Outcome
from stepwell.errors import NotFound, UsageError
from stepwell.execution import launching, moves, publish, watching
from stepwell.execution.claims import Claim, attempt_payload
from stepwell.execution.stores import OrmRunStore
from stepwell.kit.models import DbNow
from stepwell.runs import events
from stepwell.runs.models import Attempt, StepRun

_HOOKS = ("on_start", "on_success", "on_failure", "on_end")


def begin(claim: Claim, *, step: str) -> dict[str, Any]:
    """Begin an attempt at an inline step in its driver.

    Returns ``status`` when it has ended or is reused, ``waits_for`` with the ids of steps it needs first, or
    ``payload`` and ``attempt`` for the process.

    Raises:
        NotFound: The driver called no such step.
        ArtifactError: An input was not stored.
    """
    with events.one_transaction():
        found = _find(claim, step)
        if found.status in TERMINAL_STEP:
            return {"status": found.status}
        above = found.upstream_edges.select_related("upstream")
        open_ids = [str(edge.upstream_id) for edge in above if edge.upstream.status not in TERMINAL_STEP]
        if open_ids:
            return {"waits_for": open_ids}
        if found.status == StepStatus.RUNNING:
            _end_left(found, "The pipeline's process ended while the step ran in it.")
            found = _find(claim, step)
        if any(not edge.any_end and edge.upstream.status not in DONE_STEP for edge in above):
            return {"status": found.status}
        store = OrmRunStore()
        store.waiting_steps(found.run_id, after=None, only=[found.id])
        if found.status == StepStatus.PENDING:
            if origin := store.find_cached(found.id):
                store.mark_cached(found.id, origin=origin)
                return {"status": str(StepStatus.CACHED)}
            store.keep_key(found.id)
        made = _claim(claim, found)
    return _payload(made)


def end(
    claim: Claim, *, step: str, attempt: str, result: dict[str, Any], frames: list[dict[str, Any]]
) -> dict[str, Any]:
    """Store how an attempt ended, and what it said. Returns the step's ``status``, and ``wait`` before a retry."""
    made = _own(claim, step, attempt)
    watcher = watching.AttemptWatcher(made, stops=watching.StopRequests())
    for frame in frames:
        watcher.frame(frame)
    stored = watcher.result(outcome_of_result(result)) or outcome_of_result(result)
    status = StepRun.objects.values_list("status", "failures").get(id=made.step.id)
    told: dict[str, Any] = {"status": status[0], "outcome": str(stored.status)}
    if stored.error is not None:
        told["error"] = {"type": stored.error.type, "message": stored.error.message}
    if status[0] == StepStatus.RETRYING:
        told["wait"] = made.step.options.retry.wait_before(max(1, status[1]))
    return told


def note(claim: Claim, *, step: str, attempt: str, frames: list[dict[str, Any]]) -> dict[str, Any]:
    """Store what the hooks of an attempt that has ended said."""
    watcher = watching.AttemptWatcher(_own(claim, step, attempt), stops=watching.StopRequests())
    for frame in frames:
        watcher.frame(frame)
    return {}


def end_all(driver: StepRun, *, reason: str) -> None:
    """End what is left of the inline steps of a driver that has ended."""
    left = StepRun.objects.filter(call__driver=driver, plan__options__runtime="inline").exclude(
        status__in=TERMINAL_STEP
    )
    for step in left:
        if step.status == StepStatus.RUNNING:
            _end_left(step, reason)
            step.refresh_from_db()
    waiting = list(left.filter(status__in=(StepStatus.PENDING, StepStatus.RETRYING)))
    moves.cancel_queued(waiting, reason=reason)


def _find(claim: Claim, step: str) -> StepRun:
    rows = StepRun.objects.select_for_update(of=("self",)).select_related("run__snapshot", "run__pipeline", "call")
    found = rows.filter(id=UUID(step), call__driver=claim.step).first()
    if found is None:
        raise NotFound(f"The driver called no step {step}.")
    if found.options.secrets:
        raise UsageError(
            f"Step {found.invocation_id} is inline and names secrets, which its process would not keep to itself.",
            hint='Name them on the pipeline, or leave out runtime="inline".',
        )
    return found


def _own(claim: Claim, step: str, attempt: str) -> Claim:
    rows = Attempt.objects.select_related("step_run__run__pipeline", "step_run__call")
    found = rows.filter(id=UUID(attempt), step_run_id=UUID(step), step_run__call__driver=claim.step).first()
    if found is None:
        raise NotFound(f"The driver began no attempt {attempt}.")
    return Claim(attempt=found, step=found.step_run, owner_id=claim.owner_id, fence=found.fence)


def _claim(claim: Claim, step: StepRun) -> Claim:
    now = timezone.now()
    moves.move_step(step, StepStatus.QUEUED, next_attempt_at=None)
    moves.move_step(step, StepStatus.RUNNING, started_at=step.started_at or now)
    made = Attempt.objects.create(
        step_run=step,
        number=step.attempts.count() + 1,
        status=AttemptStatus.RUNNING,
        owner_id=claim.owner_id,
        fence=1,
        lease_until=DbNow() + settings.LEASE_SECONDS,
        started_at=now,
        beat_at=now,
        host=socket.gethostname(),
        pid=os.getpid(),
        log_sealed=True,
    )
    events.record(step.run_id, "attempt.status", attempt_payload(made))
    return Claim(attempt=made, step=step, owner_id=claim.owner_id, fence=1)


def _payload(made: Claim) -> dict[str, Any]:
    launch = launching.prepare(made, environment={})
    return {
        "payload": launch.spec.payload,
        "attempt": str(made.attempt.id),
        "environment": made.step.options.environment,
        "hooks": [name for name in _HOOKS if getattr(launch.options.hooks, name)],
    }


def _end_left(step: StepRun, reason: str) -> None:
    for attempt in Attempt.objects.filter(step_run=step, status=AttemptStatus.RUNNING).select_related("step_run__run"):
        left = Claim(attempt=attempt, step=attempt.step_run, owner_id=attempt.owner_id, fence=attempt.fence)
        error = ErrorInfo(type="StepCrashed", message=reason)
        publish.publish(left, Outcome(status=AttemptStatus.CRASHED, reason=reason, error=error))
