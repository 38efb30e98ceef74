"""The whole scheduler: from what is stored, decide which steps start, are reused or skipped, and when the run ends."""

from __future__ import annotations

from uuid import UUID

from stepwell.core import failpoints
from stepwell.core.status import (
    DONE_STEP,
    TERMINAL_RUN,
    TERMINAL_STEP,
    ExecutionMode,
    RunStatus,
    StepStatus,
    fold_run_status,
)
from stepwell.engine.ports import RunStore, RunView, WaitingStep


def advance(store: RunStore, run_id: UUID, *, ended: UUID | None = None) -> None:
    """Move every step of the run that can move, and finish the run when none is left.

    Called in the transaction that ended a step (``ended``), started the run or asked it to stop. It is a function of
    what is stored, so calling it again changes nothing and any process can continue any run.

    Args:
        store: Where the run is.
        run_id: The run.
        ended: The step whose end is the reason; only steps below it are looked at. None looks at every waiting step.
    """
    run = store.read_run(run_id)
    if run.status in TERMINAL_RUN:
        return
    if run.status == RunStatus.CANCELLING:
        store.cancel_open_steps(run_id, reason="The run was cancelled.")
    else:
        _settle_waiting(store, run, [ended] if ended and not _must_stop(run) else None)
    if not store.has_open_steps(run_id) and not store.start_cleanup(run_id):
        failpoints.hit("before_parent_fold")
        cancelling = run.status == RunStatus.CANCELLING
        store.finish_run(run_id, fold_run_status(store.step_statuses(run_id), cancelling=cancelling))


def start_new(store: RunStore, run_id: UUID, *, new: list[UUID]) -> None:
    """Move those of the pending steps ``new`` that can move, and what waits for them. Called as they are stored."""
    run = store.read_run(run_id)
    settled = [step.id for step in store.waiting_steps(run_id, after=None, only=new) if _settle(store, run, step)]
    if settled:
        _settle_waiting(store, run, settled)


def _settle_waiting(store: RunStore, run: RunView, frontier: list[UUID] | None) -> None:
    while True:
        settled = [step.id for step in store.waiting_steps(run.id, after=frontier) if _settle(store, run, step)]
        if not settled:
            return
        frontier = settled


def _settle(store: RunStore, run: RunView, step: WaitingStep) -> bool:
    """Start, reuse or skip one step; return whether it is at rest, so that the steps below it may move."""
    if reason := _reason_to_skip(run, step):
        store.skip_step(step.id, reason=reason)
        return True
    if not all(status in DONE_STEP for status in step.upstream.values()):
        return False
    if origin := store.find_cached(step.id):
        store.mark_cached(step.id, origin=origin)
        return True
    if not store.has_room(step.id):
        return False
    store.queue_step(step.id)
    return False


def _reason_to_skip(run: RunView, step: WaitingStep) -> str:
    if _must_stop(run):
        return "Another step failed, and this run stops at the first failure."
    for name, status in step.upstream.items():
        if status in TERMINAL_STEP and status not in DONE_STEP:
            return f"{name} {'was ' if status != StepStatus.FAILED else ''}{status}."
    return ""


def _must_stop(run: RunView) -> bool:
    return run.has_failure and run.mode != ExecutionMode.CONTINUE_ON_FAILURE
