"""The engine's run store on the database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from stepwell.artifacts import model_actions
from stepwell.artifacts.models import StepArtifact
from stepwell.core.status import TERMINAL_STEP, ExecutionMode, RunStatus, StepKind, StepStatus
from stepwell.engine.ports import RunView, WaitingStep
from stepwell.execution import inputs, moves, reuse
from stepwell.runs.models import Run, StepEdge, StepRun

_LIVE_RUN = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.CANCELLING)


class OrmRunStore:
    """``engine.ports.RunStore`` on Django's ORM, for one transaction: rows it listed are not read again."""

    def __init__(self) -> None:
        self._listed: dict[UUID, StepRun] = {}

    def transaction(self) -> AbstractContextManager[Any]:
        return transaction.atomic()

    def read_run(self, run_id: UUID) -> RunView:
        run = Run.objects.only("status", "execution_mode").get(id=run_id)
        mode = ExecutionMode(run.execution_mode)
        has_failure = (
            mode != ExecutionMode.CONTINUE_ON_FAILURE
            and StepRun.objects.filter(run_id=run_id, status=StepStatus.FAILED).exists()
        )
        return RunView(id=run_id, status=RunStatus(run.status), mode=mode, has_failure=has_failure)

    def waiting_steps(self, run_id: UUID, *, after: list[UUID] | None) -> list[WaitingStep]:
        waiting = _steps(run_id).filter(status=StepStatus.PENDING)
        if after is not None:
            below = StepEdge.objects.filter(upstream__in=after).values("downstream")
            waiting = waiting.filter(id__in=below)
        steps = list(waiting.select_related("run").order_by("ordinal"))
        self._listed.update({step.id: step for step in steps})
        upstream: dict[UUID, dict[str, str]] = {step.id: {} for step in steps}
        edges = StepEdge.objects.filter(downstream__in=list(upstream)).values_list(
            "downstream_id", "upstream__invocation_id", "upstream__status"
        )
        for downstream, name, status in edges:
            upstream[downstream][name] = status
        return [WaitingStep(id=step.id, invocation_id=step.invocation_id, upstream=upstream[step.id]) for step in steps]

    def find_cached(self, step_id: UUID) -> UUID | None:
        return reuse.find_cached(self._listed[step_id])

    def mark_cached(self, step_id: UUID, *, origin: UUID) -> None:
        step = self._listed[step_id]
        now = timezone.now()
        moves.move_step(step, StepStatus.CACHED, reason=step.cache_reason, origin_step_id=origin, started_at=now)
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

    def queue_step(self, step_id: UUID) -> None:
        moves.queue_step(self._listed[step_id])

    def skip_step(self, step_id: UUID, *, reason: str) -> None:
        moves.move_step(self._listed[step_id], StepStatus.SKIPPED, reason=reason)

    def cancel_open_steps(self, run_id: UUID, *, reason: str) -> None:
        unheld = (StepStatus.PENDING, StepStatus.QUEUED, StepStatus.RETRYING)
        moves.cancel_queued(list(_steps(run_id).filter(status__in=unheld)), reason=reason)

    def has_open_steps(self, run_id: UUID) -> bool:
        return _steps(run_id).exclude(status__in=TERMINAL_STEP).exists()

    def step_statuses(self, run_id: UUID) -> set[str]:
        return set(_steps(run_id).values_list("status", flat=True).distinct())

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
            failed = StepRun.objects.filter(run_id=run_id, status=StepStatus.FAILED).order_by("ended_at").first()
            reason = _why_failed(failed) if failed else ""
        elif status == RunStatus.CANCELLED:
            by = Run.objects.values_list("cancel_requested_by", flat=True).get(id=run_id)
            reason = f"Cancelled by {by}." if by else "A step was cancelled."
        moves.move_run(run_id, status, old=_LIVE_RUN, reason=reason)


def _steps(run_id: UUID) -> QuerySet[StepRun]:
    return StepRun.objects.filter(run_id=run_id).exclude(kind=StepKind.CLEANUP)


def _why_failed(step: StepRun) -> str:
    if step.kind == StepKind.PLAN:
        return f"The pipeline could not be planned: {step.status_reason}"
    return f"{step.invocation_id} failed: {step.status_reason}"
