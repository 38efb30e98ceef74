"""The engine's run store on the database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from stepwell.artifacts import model_actions
from stepwell.artifacts.models import StepArtifact
from stepwell.core.status import DONE_STEP, OPEN_STEP, TERMINAL_STEP, ExecutionMode, RunStatus, StepKind, StepStatus
from stepwell.engine.ports import RunView, WaitingStep
from stepwell.execution import inputs, limits, moves, reuse
from stepwell.kit.prepared import Select, Slot
from stepwell.runs import events
from stepwell.runs.models import Run, StepEdge, StepRun

_LIVE_RUN = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.CANCELLING)


class OrmRunStore:
    """``engine.ports.RunStore`` on Django's ORM, for one transaction: rows it has are not read again."""

    def __init__(self, *known: StepRun) -> None:
        self._listed: dict[UUID, StepRun] = {step.id: step for step in known}

    def transaction(self) -> AbstractContextManager[Any]:
        return transaction.atomic()

    def read_run(self, run_id: UUID) -> RunView:
        status, execution_mode, is_dynamic = _RUN.one(run=run_id)
        mode = ExecutionMode(execution_mode)
        return RunView(
            id=run_id,
            status=RunStatus(status),
            mode=mode,
            has_failure=_has_failure(run_id, mode, is_dynamic=is_dynamic),
        )

    def waiting_steps(
        self, run_id: UUID, *, after: list[UUID] | None, only: list[UUID] | None = None
    ) -> list[WaitingStep]:
        steps = self._waiting(run_id, after=after, only=only)
        self._listed.update({step.id: step for step in steps})
        upstream: dict[UUID, dict[str, str]] = {step.id: {} for step in steps}
        for downstream, name, status, any_end in _edges_above(list(upstream)):
            is_enough = any_end and status in TERMINAL_STEP
            upstream[downstream][name] = StepStatus.COMPLETED if is_enough else status
        return [WaitingStep(id=step.id, invocation_id=step.invocation_id, upstream=upstream[step.id]) for step in steps]

    def _waiting(self, run_id: UUID, *, after: list[UUID] | None, only: list[UUID] | None) -> list[StepRun]:
        limited = [one for one in after or () if one not in self._listed or self._listed[one].concurrency is not None]
        if after is not None and len(after) == 1 and only is None and not limited:
            # Of a step that is done, nothing moves below it that waits for others too.
            is_done = self._listed[after[0]].status in DONE_STEP
            return (_READY if is_done else _BELOW).rows(run=run_id, above=after[0])
        waiting = _steps(run_id).filter(status=StepStatus.PENDING)
        if only is not None:
            waiting = waiting.filter(id__in=only)
        if after is not None:
            below = StepEdge.objects.filter(upstream__in=after).values("downstream")
            waiting = waiting.filter(Q(id__in=below) | Q(id__in=limits.next_in_line(run_id, limited)))
        return list(waiting.select_related("run").order_by("ordinal"))

    def find_cached(self, step_id: UUID) -> UUID | None:
        return reuse.find_cached(self._listed[step_id])

    def mark_cached(self, step_id: UUID, *, origin: UUID) -> None:
        step = self._listed[step_id]
        now = timezone.now()
        also = {"origin_step_id": origin, "started_at": now, **reuse.fields(step)}
        moves.move_step(step, StepStatus.CACHED, reason=step.cache_reason, **also)
        links = StepArtifact.objects.filter(step_run_id=origin, direction=StepArtifact.Direction.OUTPUT)
        StepArtifact.objects.bulk_create(
            [
                StepArtifact(
                    step_run_id=step_id,
                    artifact_version_id=link.artifact_version_id,
                    direction=link.direction,
                    name=link.name,
                )
                for link in links
            ]
        )
        inputs.record_inputs(step)
        model_actions.link_outputs(step)

    def keep_key(self, step_id: UUID) -> None:
        """Store the cache key of a step that is started by its driver."""
        StepRun.objects.filter(id=step_id).update(**reuse.fields(self._listed[step_id]))

    def has_room(self, step_id: UUID) -> bool:
        return limits.has_room(self._listed[step_id])

    def queue_step(self, step_id: UUID) -> None:
        step = self._listed[step_id]
        moves.queue_step(step, **reuse.fields(step))

    def skip_step(self, step_id: UUID, *, reason: str) -> None:
        moves.move_step(self._listed[step_id], StepStatus.SKIPPED, reason=reason)

    def cancel_open_steps(self, run_id: UUID, *, reason: str) -> None:
        unheld = (StepStatus.PENDING, StepStatus.QUEUED, StepStatus.RETRYING)
        moves.cancel_queued(list(_steps(run_id).filter(status__in=unheld)), reason=reason)

    def has_open_steps(self, run_id: UUID) -> bool:
        return _OPEN.first(run=run_id) is not None

    def step_statuses(self, run_id: UUID) -> set[str]:
        steps = _steps(run_id)
        run = Run.objects.only("is_dynamic", "execution_mode").get(id=run_id)
        if run.is_dynamic:
            # The body may catch a failure, except in the mode that stops at the first one.
            driver, failed = Q(kind=StepKind.DRIVER), Q(status=StepStatus.FAILED)
            steps = steps.filter(driver | failed if run.execution_mode == ExecutionMode.FAIL_FAST else driver)
        return set(steps.order_by().values_list("status", flat=True).distinct())

    def start_cleanup(self, run_id: UUID) -> bool:
        step = StepRun.objects.filter(run_id=run_id, kind=StepKind.CLEANUP).first()
        if step is None or step.is_finished:
            return False
        if step.status == StepStatus.PENDING:
            moves.queue_step(step)
        return True

    def finish_run(self, run_id: UUID, status: RunStatus) -> None:
        reason = ""
        if status == RunStatus.FAILED:
            failed = StepRun.objects.filter(run_id=run_id, status=StepStatus.FAILED)
            first = failed.filter(kind=StepKind.DRIVER).first() or failed.order_by("ended_at").first()
            reason = _why_failed(first) if first else ""
        elif status == RunStatus.CANCELLED:
            by = Run.objects.values_list("cancel_requested_by", flat=True).get(id=run_id)
            reason = f"Cancelled by {by}." if by else "A step was cancelled."
        if moves.move_run(run_id, status, old=_LIVE_RUN, reason=reason):
            _tell_caller(run_id, status)


def _has_failure(run_id: UUID, mode: ExecutionMode, *, is_dynamic: bool) -> bool:
    """Return whether steps failed that make a run stop: of a dynamic one its driver decides, which may catch one."""
    if mode == ExecutionMode.CONTINUE_ON_FAILURE:
        return False
    failed = _FAILED_DRIVER if is_dynamic and mode != ExecutionMode.FAIL_FAST else _FAILED
    return failed.first(run=run_id) is not None


def _edges_above(steps: list[UUID]) -> list[tuple[UUID, str, str, bool]]:
    if len(steps) <= 1:
        return _ABOVE.rows(step=steps[0]) if steps else []
    return list(StepEdge.objects.filter(downstream__in=steps).values_list(*_EDGE))


def _tell_caller(run_id: UUID, status: RunStatus) -> None:
    """Let the run whose body called this one know that it ended."""
    caller = (
        Run.objects.filter(id=run_id, caller__isnull=False).values_list("caller__driver__run_id", flat=True).first()
    )
    if caller is not None:
        events.record(caller, "child.status", {"run": str(run_id), "status": str(status)})


def _steps(run_id: UUID | Slot) -> QuerySet[StepRun]:
    return StepRun.objects.filter(run_id=run_id).exclude(kind=StepKind.CLEANUP)


_EDGE = ("downstream_id", "upstream__invocation_id", "upstream__status", "any_end")
_RUN = Select(lambda: Run.objects.filter(id=Slot("run")).values_list("status", "execution_mode", "is_dynamic"))
_FAILED = Select(
    lambda: StepRun.objects.filter(run=Slot("run"), status=StepStatus.FAILED).order_by().values_list("id")[:1]
)
_FAILED_DRIVER = Select(
    lambda: StepRun.objects.filter(run=Slot("run"), status=StepStatus.FAILED, kind=StepKind.DRIVER).values_list("id")
)
_OPEN = Select(lambda: _steps(Slot("run")).filter(status__in=OPEN_STEP).order_by().values_list("id")[:1])


def _below() -> QuerySet[StepRun]:
    below = StepEdge.objects.filter(upstream=Slot("above")).values("downstream")
    pending = _steps(Slot("run")).filter(status=StepStatus.PENDING, id__in=below)
    return pending.select_related("run").order_by("ordinal")


def _ready() -> QuerySet[StepRun]:
    above = StepEdge.objects.filter(downstream=OuterRef("id"))
    is_held_up = Exists(above.filter(upstream__status__in=OPEN_STEP))
    has_failed = Exists(above.exclude(upstream__status__in=(*OPEN_STEP, *DONE_STEP)).filter(any_end=False))
    return _below().filter(~is_held_up | has_failed)


_BELOW, _READY = Select(_below), Select(_ready)
_ABOVE = Select(lambda: StepEdge.objects.filter(downstream=Slot("step")).values_list(*_EDGE))


def _why_failed(step: StepRun) -> str:
    if step.kind == StepKind.DRIVER:
        return step.status_reason
    if step.kind == StepKind.PLAN:
        return f"The pipeline could not be planned: {step.status_reason}"
    return f"{step.invocation_id} failed: {step.status_reason}"
