"""Owed hooks in processes of their own: right after the attempt, or later by any runner that finds them open."""

from __future__ import annotations

import logging
from dataclasses import asdict
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from stepwell.core.status import AttemptStatus
from stepwell.engine.pace import Pace
from stepwell.engine.ports import ErrorInfo, Outcome
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Supervision, supervise
from stepwell.errors import StepwellError
from stepwell.execution import hookcalls, launching, operators
from stepwell.execution.claims import Claim
from stepwell.execution.hosts import HostPool, base_environment
from stepwell.execution.launching import Launch
from stepwell.execution.operators.interface import OperatorHost
from stepwell.execution.steplog import StepLog, open_log
from stepwell.execution.watching import AttemptWatcher, StopRequests
from stepwell.kit.models import DbNow
from stepwell.runs.models import Attempt, HookCall, RunnerNode

log = logging.getLogger(__name__)
_MOST_A_ROUND = 20


class _HookWatcher(AttemptWatcher):
    """Records what the hook did; the attempt has ended and stays as it is."""

    def started(self, *, pid: int) -> None:
        pass

    def beat(self, *, progress: object, log_bytes: int, log_lines: int) -> str:
        return "go"

    def result(self, outcome: Outcome) -> None:
        pass


class LateHook:
    """One hook that is owed, in a fresh process. Drive ``supervision`` to its end, then call ``settle``."""

    def __init__(
        self,
        claim: Claim,
        call: HookCall,
        *,
        launch: Launch,
        host: StepHost | OperatorHost,
        writer: StepLog,
        pace: Pace,
    ) -> None:
        self.claim = claim
        self.call = call
        self._watcher = _HookWatcher(claim, stops=StopRequests())
        self.supervision = Supervision(
            host,
            launching.hook_spec(claim, launch, hook=call.hook, error=_error_of(call)),
            log=writer,
            masker=launch.masker(),
            watcher=self._watcher,
            pace=pace,
            timeout=settings.HOOK_SECONDS,
        )

    def settle(self) -> None:
        """Store what became of a hook that said nothing itself."""
        begun, ended = self._watcher.hooks_begun, self.supervision
        hookcalls.settle(self.claim, ended, begun=begun)
        outcome = ended.outcome
        if self.call.hook in begun or outcome is None or ended.is_lost:
            return
        if outcome.status in (AttemptStatus.FAILED, AttemptStatus.TIMED_OUT) or not ended.was_killed:
            hookcalls.give_up(self.claim, self.call, hookcalls.FAILED, outcome.reason or "It could not be run.")
        elif self.call.tries >= hookcalls.MOST_TRIES:
            hookcalls.give_up(self.claim, self.call, hookcalls.DEAD, outcome.reason)


def next_hook(
    claim: Claim, *, launch: Launch, host: StepHost | OperatorHost, writer: StepLog, pace: Pace
) -> LateHook | None:
    """Return the next hook that the attempt's own process left open, taken for this node; None when there is none."""
    call = hookcalls.take_next(claim)
    return LateHook(claim, call, launch=launch, host=host, writer=writer, pace=pace) if call else None


class Redelivery:
    """Runs the hooks that others left open. One per runner, in a thread of its own."""

    def __init__(self, *, node_id: UUID, hosts: HostPool, pace: Pace) -> None:
        self._node_id = node_id
        self._hosts = hosts
        self._pace = pace

    def round(self) -> None:
        """Take what is due and run it, one after the other."""
        gone = RunnerNode.objects.filter(stopped_at__isnull=False).values("id")
        due = Q(due_at__lte=DbNow()) | Q(owner_id__in=gone)
        for call in list(
            HookCall.objects.filter(due, status=HookCall.Status.OPEN).order_by("created_at")[:_MOST_A_ROUND]
        ):
            # In the order they run in: one that waits for the hook before it is not overtaken.
            earlier = HookCall.objects.filter(
                attempt_id=call.attempt_id, status=HookCall.Status.OPEN, ordinal__lt=call.ordinal
            )
            if not earlier.exists():
                self._deliver(call)

    def _deliver(self, call: HookCall) -> None:
        rows = Attempt.objects.select_related("step_run__run__snapshot", "step_run__run__pipeline")
        attempt = rows.get(id=call.attempt_id)
        claim = Claim(attempt=attempt, step=attempt.step_run, owner_id=self._node_id, fence=attempt.fence)
        if call.tries >= hookcalls.MOST_TRIES:
            hookcalls.give_up(claim, call, hookcalls.DEAD, f"Its process or runner ended {call.tries} times meanwhile.")
            return
        if not call.take(owner_id=self._node_id, seconds=hookcalls.late_seconds()):
            return
        log.info("Hook %s of attempt %s is run again (try %d).", call.hook, attempt.id, call.tries)
        try:
            self._run(claim, call)
        except StepwellError as exc:
            hookcalls.give_up(claim, call, hookcalls.DEAD, f"{exc.message} {exc.hint}".strip())

    def _run(self, claim: Claim, call: HookCall) -> None:
        snapshot = claim.step.run.snapshot
        if not snapshot.code_hash:
            reason = "The script that ran it has ended, and its code was not kept."
            hookcalls.give_up(claim, call, hookcalls.DEAD, reason)
            return
        launch = launching.prepare(claim, environment=base_environment())
        place = operators.host_for(launch.operator, snapshot) if launch.operator else None
        host = place or self._hosts.take(snapshot)
        # Whoever follows the log has seen its end; there is more of it now.
        Attempt.objects.filter(id=claim.attempt.id).update(log_sealed=False)
        writer = open_log(claim, launch)
        writer.note(f"{call.hook} is run now, as nobody said that it ended (try {call.tries}).")
        hook = LateHook(claim, call, launch=launch, host=host, writer=writer, pace=self._pace)
        try:
            supervise(hook.supervision)
            hook.settle()
        finally:
            place.close() if place else self._hosts.release(snapshot)
            writer.seal()
            Attempt.objects.filter(id=claim.attempt.id, fence=claim.fence).update(
                log_bytes=writer.n_bytes,
                log_lines=writer.n_lines,
                log_dropped_bytes=writer.dropped_bytes,
                log_sealed=True,
            )
            # Still open: its process was killed. It is tried again soon, by whoever is there.
            call.retry(seconds=1, error="Its process was killed.")


def _error_of(call: HookCall) -> dict[str, object] | None:
    """Return what the hook is told of the attempt's end; None when it was a success."""
    attempt = Attempt.objects.get(id=call.attempt_id)
    if attempt.status == AttemptStatus.COMPLETED:
        return None
    message = attempt.error_message or attempt.status_reason
    # It is made again in the hook's process only.
    told = asdict(ErrorInfo(type=attempt.error_type or "StepCrashed", message=message))
    return {**told, "pickled": call.exception}
