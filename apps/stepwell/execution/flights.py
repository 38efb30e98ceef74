"""Attempts that one thread supervises together, from their process's end to the sealed log."""

from __future__ import annotations

from dataclasses import dataclass

from stepwell.engine.ports import Outcome
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Supervision
from stepwell.execution import hookcalls, latehooks, launching, worker
from stepwell.execution.claims import Claim
from stepwell.execution.operators.interface import OperatorHost
from stepwell.execution.steplog import StepLog
from stepwell.execution.watching import AttemptWatcher


@dataclass(slots=True)
class Flight:
    """An attempt that runs now, or one of its hooks in a process of its own, once it has ended with ``outcome``."""

    claim: Claim
    watcher: AttemptWatcher
    writer: StepLog
    launch: launching.Launch
    supervision: Supervision
    #: where a step operator runs it
    place: OperatorHost | None = None
    outcome: Outcome | None = None
    hook: latehooks.LateHook | None = None


def land(flight: Flight, supervision: Supervision, *, host: StepHost | OperatorHost) -> Supervision | None:
    """Store what is left to store of a flight whose process is gone; return that of its next hook, if one is owed."""
    outcome = flight.outcome or supervision.outcome
    assert outcome is not None
    if flight.hook is not None:
        flight.hook.settle()
    elif supervision.is_lost:
        # We ended it ourselves; unless another process has it now, it is handed back.
        flight.watcher.result(outcome)
    else:
        worker.finish(flight.watcher, outcome, writer=flight.writer, launch=flight.launch)
        hookcalls.settle(flight.claim, supervision, begun=flight.watcher.hooks_begun)
    if not supervision.is_lost:
        flight.hook = latehooks.next_hook(
            flight.claim, launch=flight.launch, host=host, writer=flight.writer, pace=worker.pace()
        )
        if flight.hook is not None:
            flight.outcome, flight.supervision = outcome, flight.hook.supervision
            return flight.supervision
    flight.writer.seal()
    flight.watcher.sealed(
        log_bytes=flight.writer.n_bytes,
        log_lines=flight.writer.n_lines,
        dropped=flight.writer.dropped_bytes,
        usage=outcome,
    )
    return None
