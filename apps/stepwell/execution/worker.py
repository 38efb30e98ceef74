"""One attempt from claim to end, in one thread of the runner."""

from __future__ import annotations

import logging
import threading
import time
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, connections

from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus, StepStatus
from stepwell.engine.logfile import LogWriter
from stepwell.engine.masking import Masker
from stepwell.engine.ports import ErrorInfo, LaunchSpec, Outcome
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Group, Pace, Supervision, supervise
from stepwell.errors import StepwellError
from stepwell.execution import hookcalls, latehooks, launching, operators
from stepwell.execution.claims import Claim, claim
from stepwell.execution.doorbell import ring
from stepwell.execution.hosts import HostPool, base_environment
from stepwell.execution.launching import Launch
from stepwell.execution.operators.interface import OperatorHost
from stepwell.execution.steplog import open_log
from stepwell.execution.watching import AttemptWatcher, StopRequests
from stepwell.runs.models import StepRun

log = logging.getLogger(__name__)
#: how long a slot waits for a process whose result is stored; hooks that take longer go on beside it
_LINGER_SECONDS = 0.05
#: attempts whose hooks run beside the slots, at most
_MOST_TAILS = 32


def pace() -> Pace:
    """Return how often supervisors look, beat and wait, from the settings."""
    # Half a second at most between looks for a stop request; the watcher itself spaces the writes.
    look = min(0.5, settings.HEARTBEAT_SECONDS)
    # A beat may be as old as the space between two writes when the supervisor counts from it.
    lease = settings.LEASE_SECONDS - settings.HEARTBEAT_SECONDS
    return Pace(beat=look, lease=lease, grace=settings.GRACE_SECONDS, hook=settings.HOOK_SECONDS)


class Worker:
    """Runs attempts for one node. Safe to use from several threads."""

    def __init__(self, *, node_id: UUID, hosts: HostPool, stops: StopRequests) -> None:
        self.node_id = node_id
        self._hosts = hosts
        self._stops = stops
        #: threads that see attempts to their end whose results are stored
        self._tails: set[threading.Thread] = set()

    @property
    def is_busy(self) -> bool:
        """Whether hooks of attempts run whose slots were given back."""
        return bool(self._tails)

    def take(self, attempt_id: UUID) -> None:
        """Run the attempt, if it is still to be had, and then those that follow from it one by one."""
        next_id: UUID | None = attempt_id
        while next_id is not None:
            if self._stops.draining.is_set():
                # Somebody else takes it: another runner now, or this one after its restart.
                ring(next_id)
                return
            close_old_connections()
            claimed = claim(next_id, owner_id=self.node_id)
            next_id = self._run(claimed) if claimed else None

    def _run(self, claimed: Claim) -> UUID | None:
        snapshot = claimed.step.run.snapshot
        try:
            launch = launching.prepare(claimed, environment=base_environment())
            place = operators.host_for(launch.operator, snapshot) if launch.operator else None
            host = place or self._hosts.take(snapshot)
        except StepwellError as exc:
            return _fail_unstarted(claimed, exc, self._stops)
        attempt = AttemptRun(claimed, launch=launch, host=host, stops=self._stops)
        try:
            attempt.run_until_published()
            if attempt.is_over or len(self._tails) >= _MOST_TAILS:
                attempt.run_to_end()
        finally:
            if attempt.is_over:
                self._give_back(attempt, place)
            else:
                self._leave(attempt, place)
        return attempt.watcher.follow_up

    def _leave(self, attempt: AttemptRun, place: OperatorHost | None) -> None:
        """See to the hooks in a thread of their own: the slot is free for the next step."""
        thread = threading.Thread(target=self._run_tail, args=(attempt, place), name="hooks", daemon=True)
        self._tails.add(thread)
        thread.start()

    def _run_tail(self, attempt: AttemptRun, place: OperatorHost | None) -> None:
        try:
            attempt.run_to_end()
        except Exception:
            # Boundary of the thread: what it left undone is found open by the next round.
            log.exception("The hooks of attempt %s could not be seen to their end.", attempt.claim.attempt.id)
        finally:
            self._give_back(attempt, place)
            connections.close_all()
            self._tails.discard(threading.current_thread())

    def _give_back(self, attempt: AttemptRun, place: OperatorHost | None) -> None:
        place.close() if place else self._hosts.release(attempt.claim.step.run.snapshot)
        self._stops.forget(attempt.claim.attempt.id)


class AttemptRun:
    """A claimed attempt under supervision, from launch to the end of its hooks and log."""

    def __init__(self, claimed: Claim, *, launch: Launch, host: StepHost | OperatorHost, stops: StopRequests) -> None:
        self.claim = claimed
        self.launch = launch
        self.watcher = AttemptWatcher(claimed, stops=stops)
        self.is_over = False
        self._host = host
        self._writer = open_log(claimed, launch)
        masker = Masker(launch.secret_values)
        self._supervision = _supervision(launch.spec, host, self._writer, masker, self.watcher, launch.options.timeout)
        self._group = Group()
        self._group.add(self._supervision)

    def run_until_published(self) -> None:
        """Supervise it until what follows may start; to its end, if that comes within a moment."""
        while self._group and not self.watcher.published:
            self._group.run_once()
        linger_until = time.monotonic() + _LINGER_SECONDS
        while self._group and (left := linger_until - time.monotonic()) > 0:
            self._group.run_once(left)
        if not self._group:
            self.run_to_end()

    def run_to_end(self) -> None:
        """Supervise it until its process is gone, then run the hooks that it left."""
        if self.is_over:
            return
        while self._group:
            self._group.run_once()
        outcome = self._supervision.outcome
        self.is_over = True
        if self._supervision.is_lost or outcome is None:
            self._writer.seal()
            return
        finish(self.watcher, outcome, writer=self._writer, launch=self.launch)
        hookcalls.settle(self.claim, self._supervision, begun=self.watcher.hooks_begun)
        while hook := self._next_hook():
            supervise(hook.supervision)
            hook.settle()
        self._writer.seal()
        self.watcher.sealed(
            log_bytes=self._writer.n_bytes,
            log_lines=self._writer.n_lines,
            dropped=self._writer.dropped_bytes,
            usage=outcome,
        )

    def _next_hook(self) -> latehooks.LateHook | None:
        return latehooks.next_hook(self.claim, launch=self.launch, host=self._host, writer=self._writer, pace=pace())


def finish(watcher: AttemptWatcher, outcome: Outcome, *, writer: LogWriter, launch: Launch) -> None:
    """Publish what was not published yet, and write into the log how it ended."""
    watcher.result(outcome)
    if outcome.status != AttemptStatus.COMPLETED:
        writer.note(_closing_line(watcher.claim, outcome, launch))


def _supervision(
    spec: LaunchSpec,
    host: StepHost | OperatorHost,
    writer: LogWriter,
    masker: Masker,
    watcher: AttemptWatcher,
    timeout: float | None,
) -> Supervision:
    return Supervision(host, spec, log=writer, masker=masker, watcher=watcher, pace=pace(), timeout=timeout)


def _fail_unstarted(claimed: Claim, exc: StepwellError, stops: StopRequests) -> UUID | None:
    watcher = AttemptWatcher(claimed, stops=stops)
    error = ErrorInfo(type=type(exc).__name__, message=str(exc), retryable=False)
    watcher.result(Outcome(status=AttemptStatus.FAILED, reason=str(exc), error=error))
    return watcher.follow_up


def _closing_line(claimed: Claim, outcome: Outcome, launch: Launch) -> str:
    step = StepRun.objects.get(id=claimed.step.id)
    line = f"Attempt {claimed.attempt.number} {outcome.status.replace('_', ' ')}"
    if outcome.reason:
        line += f": {outcome.reason}"
    if step.status == StepStatus.RETRYING:
        wait = launch.options.retry.wait_before(step.failures)
        return f"{line.rstrip('.')}. Next attempt in {format_duration(wait)}."
    if step.status == StepStatus.QUEUED:
        return f"{line.rstrip('.')}. It runs again."
    return line if line.endswith(".") else f"{line}."
