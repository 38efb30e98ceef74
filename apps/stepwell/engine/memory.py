"""A run store in memory: the scheduler's rules without a database."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from stepwell.core.status import TERMINAL_STEP, ExecutionMode, RunStatus, StepStatus
from stepwell.engine.ports import RunView, WaitingStep


@dataclass(slots=True)
class MemoryStep:
    id: UUID
    invocation_id: str
    upstream: list[UUID]
    status: StepStatus = StepStatus.PENDING
    reason: str = ""
    cached_from: UUID | None = None


@dataclass(slots=True)
class MemoryRunStore:
    """One run. ``queued`` lists the steps made ready, in order."""

    run_id: UUID
    steps: dict[UUID, MemoryStep]
    mode: ExecutionMode = ExecutionMode.CONTINUE_ON_FAILURE
    status: RunStatus = RunStatus.RUNNING
    queued: list[UUID] = field(default_factory=list)
    #: None: the pipeline has no clean-up
    cleanup: StepStatus | None = None

    def transaction(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def read_run(self, run_id: UUID) -> RunView:
        failed = any(step.status == StepStatus.FAILED for step in self.steps.values())
        return RunView(id=run_id, status=self.status, mode=self.mode, has_failure=failed)

    def waiting_steps(
        self, run_id: UUID, *, after: list[UUID] | None, only: list[UUID] | None = None
    ) -> list[WaitingStep]:
        return [
            WaitingStep(
                id=step.id,
                invocation_id=step.invocation_id,
                upstream={self.steps[above].invocation_id: self.steps[above].status for above in step.upstream},
            )
            for step in self.steps.values()
            if step.status == StepStatus.PENDING
            and (after is None or set(after) & set(step.upstream))
            and (only is None or step.id in only)
        ]

    def find_cached(self, step_id: UUID) -> UUID | None:
        return self.steps[step_id].cached_from

    def mark_cached(self, step_id: UUID, *, origin: UUID) -> None:
        self.steps[step_id].status = StepStatus.CACHED

    def has_room(self, step_id: UUID) -> bool:
        return True

    def queue_step(self, step_id: UUID) -> None:
        self.steps[step_id].status = StepStatus.QUEUED
        self.queued.append(step_id)

    def skip_step(self, step_id: UUID, *, reason: str) -> None:
        self.steps[step_id].status = StepStatus.SKIPPED
        self.steps[step_id].reason = reason

    def cancel_open_steps(self, run_id: UUID, *, reason: str) -> None:
        for step in self.steps.values():
            if step.status in {StepStatus.PENDING, StepStatus.QUEUED, StepStatus.RETRYING}:
                step.status = StepStatus.CANCELLED

    def has_open_steps(self, run_id: UUID) -> bool:
        return any(step.status not in TERMINAL_STEP for step in self.steps.values())

    def step_statuses(self, run_id: UUID) -> set[str]:
        return {step.status for step in self.steps.values()}

    def start_cleanup(self, run_id: UUID) -> bool:
        if self.cleanup == StepStatus.PENDING:
            self.cleanup = StepStatus.QUEUED
        return self.cleanup is not None and self.cleanup not in TERMINAL_STEP

    def finish_run(self, run_id: UUID, status: RunStatus) -> None:
        self.status = status
