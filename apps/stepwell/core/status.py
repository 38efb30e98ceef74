"""The states of runs, steps and attempts, and which moves between them are allowed."""

from __future__ import annotations

from enum import StrEnum

from stepwell.errors import Conflict


class RunStatus(StrEnum):
    """Where a run is; completed, failed and cancelled are the ends."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    CACHED = "cached"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class AttemptStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class StepKind(StrEnum):
    STEP = "step"
    #: traces the pipeline function in a step process and stores the plan
    PLAN = "plan"
    #: runs the body of a dynamic pipeline
    DRIVER = "driver"
    #: runs the pipeline's ``on_cleanup`` when every other step is at rest; its own end never changes the run's
    CLEANUP = "cleanup"


class ExecutionMode(StrEnum):
    """After a failed step: all but those below it go on, none starts any more, or all are stopped."""

    CONTINUE_ON_FAILURE = "continue_on_failure"
    STOP_ON_FAILURE = "stop_on_failure"
    FAIL_FAST = "fail_fast"


class Trigger(StrEnum):
    SCRIPT = "script"
    BROWSER = "browser"
    API = "api"
    CLI = "cli"
    SCHEDULE = "schedule"
    RERUN = "rerun"
    #: called by the body of a dynamic pipeline
    PIPELINE = "pipeline"


class RerunScope(StrEnum):
    WHOLE = "whole"
    FROM_FAILED = "failed"
    #: the steps that are named, and all below them
    FROM_STEPS = "steps"


class RerunCode(StrEnum):
    """Which code a rerun runs: that of the run it repeats, or the newest that was kept."""

    AS_RUN = "as_run"
    NEWEST = "newest"


TERMINAL_RUN = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})
TERMINAL_STEP = frozenset(
    {StepStatus.COMPLETED, StepStatus.CACHED, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.SKIPPED}
)
OPEN_STEP = frozenset(StepStatus) - TERMINAL_STEP
#: an upstream in one of these lets its downstream run
DONE_STEP = frozenset({StepStatus.COMPLETED, StepStatus.CACHED})
TERMINAL_ATTEMPT = frozenset(AttemptStatus) - {AttemptStatus.QUEUED, AttemptStatus.RUNNING}
#: attempts that spend one of the user's retries
FAILED_ATTEMPT = frozenset({AttemptStatus.FAILED, AttemptStatus.TIMED_OUT})

_RUN_MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLING, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.RUNNING: frozenset({RunStatus.PAUSED, RunStatus.CANCELLING, *TERMINAL_RUN}),
    RunStatus.PAUSED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLING, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.CANCELLING: frozenset({RunStatus.CANCELLED}),
}
_STEP_MOVES: dict[StepStatus, frozenset[StepStatus]] = {
    StepStatus.PENDING: frozenset({StepStatus.QUEUED, StepStatus.CACHED, StepStatus.SKIPPED, StepStatus.CANCELLED}),
    StepStatus.QUEUED: frozenset({StepStatus.RUNNING, StepStatus.CANCELLED, StepStatus.FAILED, StepStatus.SKIPPED}),
    StepStatus.RUNNING: frozenset(
        {StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.RETRYING, StepStatus.QUEUED, StepStatus.CANCELLED}
    ),
    StepStatus.RETRYING: frozenset({StepStatus.QUEUED, StepStatus.CANCELLED, StepStatus.FAILED}),
}


def check_run_move(old: str, new: str) -> None:
    """Refuse a move the run's state machine does not have.

    Raises:
        Conflict: The move is not allowed.
    """
    if RunStatus(new) not in _RUN_MOVES.get(RunStatus(old), frozenset()):
        raise Conflict(f"A run that is {old} cannot become {new}.")


def check_step_move(old: str, new: str) -> None:
    """Refuse a move the step's state machine does not have.

    Raises:
        Conflict: The move is not allowed.
    """
    if StepStatus(new) not in _STEP_MOVES.get(StepStatus(old), frozenset()):
        raise Conflict(f"A step that is {old} cannot become {new}.")


def fold_run_status(step_statuses: set[str], *, cancelling: bool) -> RunStatus:
    """Return the final status of a run whose steps are all at rest."""
    if cancelling:
        return RunStatus.CANCELLED
    if StepStatus.FAILED in step_statuses:
        return RunStatus.FAILED
    if StepStatus.CANCELLED in step_statuses:
        return RunStatus.CANCELLED
    return RunStatus.COMPLETED
