"""The end of an attempt: one transaction with everything it changes, accepted only from the attempt's owner."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from stepwell.artifacts import model_actions
from stepwell.artifacts.models import Artifact, ArtifactVersion, StepArtifact
from stepwell.core import failpoints
from stepwell.core.status import TERMINAL_ATTEMPT, TERMINAL_RUN, AttemptStatus, RunStatus, StepKind, StepStatus
from stepwell.engine.advance import advance
from stepwell.engine.endings import PARKED
from stepwell.engine.ports import ErrorInfo, Outcome
from stepwell.errors import ConfigError, StepwellError
from stepwell.execution import actions, hookcalls, inputs, limits, moves, planning, waits
from stepwell.execution.claims import Claim, LeaseLost, attempt_payload
from stepwell.execution.stores import OrmRunStore
from stepwell.kit.models import DbNow
from stepwell.kit.prepared import Insert, Select, Slot
from stepwell.runs import events
from stepwell.runs.models import Attempt, DriverCall, Run, StepRun

_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+", re.IGNORECASE)


def publish(claim: Claim, outcome: Outcome) -> Outcome:
    """Store how an attempt ended, what it made, and what follows from it; return the outcome as it was stored.

    Raises:
        LeaseLost: Another process owns the attempt now; nothing was stored.
    """
    try:
        with events.one_transaction():
            _publish(claim, outcome)
        return outcome
    except LeaseLost:
        raise
    except StepwellError as exc:
        # What it made cannot be stored as asked (a version that exists, a plan that does not fit): the step fails.
        error = ErrorInfo(type=type(exc).__name__, message=str(exc), retryable=False)
        refused = Outcome(status=AttemptStatus.FAILED, reason=str(exc), error=error)
        with events.one_transaction():
            _publish(claim, refused)
        return refused


def is_stored(claim: Claim) -> bool:
    """Return whether the end of the attempt was stored by its owner: whoever takes it over raises the fence."""
    mine = Attempt.objects.filter(id=claim.attempt.id, fence=claim.fence, owner_id=claim.owner_id)
    return mine.filter(status__in=TERMINAL_ATTEMPT).exists()


def _publish(claim: Claim, outcome: Outcome) -> None:
    moves.lock_run(id=claim.step.run_id)
    _end_attempt(claim, outcome)
    step = _STEP.one(step=claim.step.id)
    if outcome.status == AttemptStatus.COMPLETED:
        _complete(step, outcome.result)
    elif outcome.status == AttemptStatus.CANCELLED:
        moves.move_step(step, StepStatus.CANCELLED, reason=outcome.reason)
    elif outcome.status == AttemptStatus.INTERRUPTED:
        if outcome.result.get("status") == PARKED and not _is_stopping(step.run):
            waits.park(step, reason=outcome.reason)
        else:
            _requeue(step, reason=outcome.reason)
    elif outcome.status == AttemptStatus.CRASHED:
        _crash(step, outcome, began_at=claim.attempt.started_at)
    else:
        _fail(step, outcome)
    hookcalls.owe(claim, step, outcome)
    if step.kind == StepKind.DRIVER and step.is_finished and step.status != StepStatus.COMPLETED:
        transaction.on_commit(partial(_end_below, step))
    if step.is_finished or step.run.status == RunStatus.CANCELLING:
        advance(OrmRunStore(step), step.run_id, ended=step.id)


def _end_attempt(claim: Claim, outcome: Outcome) -> None:
    error = outcome.error
    ended = claim.update(
        status=outcome.status,
        status_reason=outcome.reason,
        ended_at=timezone.now(),
        lease_until=None,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        error_type=error.type[:255] if error else "",
        error_message=error.message if error else "",
        error_traceback=error.traceback if error else "",
        error_where=error.where[:500] if error else "",
        error_fingerprint=fingerprint(error) if error else "",
    )
    if not ended:
        raise LeaseLost(f"Attempt {claim.attempt.id} is not ours any more.")
    attempt = claim.attempt
    attempt.status, attempt.status_reason = outcome.status, outcome.reason
    events.record(claim.step.run_id, "attempt.status", attempt_payload(attempt))


def fingerprint(error: ErrorInfo) -> str:
    """Return what errors of the same cause share: type, place and message with numbers taken out."""
    place = _NUMBERS.sub("#", error.where)
    message = _NUMBERS.sub("#", error.message)[:500]
    return hashlib.sha256(f"{error.type}\n{place}\n{message}".encode(errors="replace")).hexdigest()[:32]


def _complete(step: StepRun, result: dict[str, Any]) -> None:
    if step.kind == StepKind.PLAN:
        planning.store_plan(step.run, result.get("plan") or {})
    elif step.kind == StepKind.DRIVER:
        Run.objects.filter(id=step.run_id).update(returned=result.get("returned"))
    else:
        inputs.record_inputs(step)
        for output in result.get("outputs", []):
            _store_output(step, output)
        model_actions.link_outputs(step)
    moves.move_step(step, StepStatus.COMPLETED)


def _store_output(step: StepRun, output: dict[str, Any]) -> None:
    # All children of a map make versions of one artifact.
    place = step.call.invocation_id if step.map_index is not None else step.invocation_id
    name = output.get("artifact_name") or f"{step.run.pipeline.name}::{place}::{output['name']}"
    artifact = _ARTIFACT.first(name=name[:500])
    if artifact is None:
        artifact, _ = Artifact.objects.select_for_update().get_or_create(name=name[:500])
    number = _newest_number(artifact) + 1
    label = str(output.get("version") or number)[:255]
    if output.get("version") and artifact.versions.filter(version=label).exists():
        raise ConfigError(
            f"Artifact {name} has a version “{label}” already.", hint="Give another version, or leave it out."
        )
    version = ArtifactVersion(
        artifact=artifact,
        version=label,
        number=number,
        uri=output["uri"],
        size=output["size"],
        sha256=output["sha256"],
        type=str(output["type"])[:255],
        materializer=str(output["materializer"])[:255],
        metadata=output.get("metadata", {}),
        visualizations=output.get("visualizations", []),
        tags=output.get("tags", []),
        kind=str(output.get("kind") or "")[:32],
        producer=step,
    )
    _NEW_VERSION(version)
    _NEW_LINK(
        StepArtifact(
            step_run=step, artifact_version=version, direction=StepArtifact.Direction.OUTPUT, name=output["name"][:255]
        )
    )


def _newest_number(artifact: Artifact) -> int:
    newest = _NEWEST_VERSION.first(artifact=artifact.id)
    return newest[0] if newest else 0


_STEP = Select(lambda: StepRun.objects.filter(id=Slot("step")).select_related("run__pipeline", "call"))
_ARTIFACT = Select(lambda: Artifact.objects.select_for_update().filter(name=Slot("name")))
_NEWEST_VERSION = Select(
    lambda: ArtifactVersion.objects.filter(artifact=Slot("artifact")).order_by("-number").values_list("number")[:1]
)
_NEW_VERSION = Insert(ArtifactVersion)
_NEW_LINK = Insert(StepArtifact)


def _fail(step: StepRun, outcome: Outcome) -> None:
    if step.kind == StepKind.DRIVER and _is_stopping(step.run):
        # Its body was told of the steps that were stopped before it was stopped itself.
        moves.move_step(step, StepStatus.CANCELLED, reason="The run was cancelled.")
        return
    step.failures += 1
    StepRun.objects.filter(id=step.id).update(failures=F("failures") + 1)
    retry = step.options.retry
    retryable = outcome.error is None or outcome.error.retryable
    if retryable and step.failures <= retry.max_retries and not _is_stopping(step.run):
        _retry_later(step, retry.wait_before(step.failures), outcome.reason)
    else:
        moves.move_step(step, StepStatus.FAILED, reason=outcome.reason, exception=_exception(step, outcome))


def _exception(step: StepRun, outcome: Outcome) -> str:
    """Return what the step raised, for the body that called it."""
    is_awaited = step.call_id is not None or step.run.caller_id is not None
    return hookcalls.pickled_exception(outcome) if is_awaited else ""


def _end_below(driver: StepRun) -> None:
    """End what only a driver that has ended could have gone on with."""
    # By name: it stands above, as it ends attempts by what is here.
    import_module("stepwell.execution.inline").end_all(driver, reason="The pipeline's process has ended.")
    for run in Run.objects.filter(caller__driver=driver).exclude(status__in=TERMINAL_RUN):
        with suppress(actions.RunFinished):
            actions.cancel_run(run=run, by=f"run #{driver.run.number}")


def _retry_later(step: StepRun, wait: float, reason: str) -> None:
    if wait <= 0 or limits.is_inline(step):
        _requeue(step, reason=reason)
        return
    if moves.move_step(step, StepStatus.RETRYING, reason=reason):
        StepRun.objects.filter(id=step.id).update(next_attempt_at=DbNow() + wait)
        failpoints.hit("during_retry_schedule")


def _crash(step: StepRun, outcome: Outcome, *, began_at: datetime | None) -> None:
    step.crashes = 1 if step.kind == StepKind.DRIVER and _got_further(step, began_at) else step.crashes + 1
    StepRun.objects.filter(id=step.id).update(crashes=step.crashes)
    if step.crashes < settings.CRASH_BUDGET and not _is_stopping(step.run):
        _requeue(step, reason=outcome.reason)
        return
    reason = outcome.reason
    if step.crashes >= settings.CRASH_BUDGET:
        reason = f"{outcome.reason.rstrip('.')}. It crashed {step.crashes} times, which is its crash budget."
    moves.move_step(step, StepStatus.FAILED, reason=reason)


def _got_further(driver: StepRun, began_at: datetime | None) -> bool:
    """Return whether an attempt at a driver made calls that none before had made: then its crash is a first one."""
    return began_at is not None and DriverCall.objects.filter(driver=driver, created_at__gte=began_at).exists()


def _requeue(step: StepRun, *, reason: str) -> None:
    if _is_stopping(step.run):
        moves.move_step(step, StepStatus.CANCELLED, reason="The run was cancelled.")
    elif limits.is_inline(step):
        # Its driver begins the next attempt.
        moves.move_step(step, StepStatus.RETRYING, reason=reason, next_attempt_at=None)
    elif moves.move_step(step, StepStatus.QUEUED, reason=reason, next_attempt_at=None):
        moves.make_attempt(step)


def _is_stopping(run: Run) -> bool:
    return run.status == RunStatus.CANCELLING
