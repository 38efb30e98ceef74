"""One attempt from claim to end, in one thread of the runner."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, connections

from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus, StepKind, StepStatus
from stepwell.engine.endings import PARKED
from stepwell.engine.logfile import LogWriter
from stepwell.engine.masking import Masker
from stepwell.engine.ports import ErrorInfo, LaunchSpec, Outcome
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Group, Pace, Supervision, supervise
from stepwell.errors import StepwellError
from stepwell.execution import hookcalls, latehooks, launching, operators, room
from stepwell.execution.claims import Claim, claim
from stepwell.execution.doorbell import ring
from stepwell.execution.hosts import HostPool, base_environment
from stepwell.execution.launching import Launch
from stepwell.execution.operators.interface import OperatorHost
from stepwell.execution.room import Held, Need, Room
from stepwell.execution.steplog import open_log
from stepwell.execution.watching import AttemptWatcher, StopRequests
from stepwell.kit.steady import AWAY, steadily
from stepwell.runs.models import StepRun

log = logging.getLogger(__name__)
#: how long a slot waits for a process whose result is stored; hooks that take longer go on beside it
_LINGER_SECONDS = 0.05
#: attempts whose hooks run beside the slots, at most
_MOST_TAILS = 32
#: how long a runner that cannot take a step leaves its message to the others before it has it back in the queue
_PASS_ON_SECONDS = 0.2
#: how long an attempt that was ended because the database was away waits for it, and between two tries
_HAND_BACK_SECONDS, _HAND_BACK_ROUND = 600, 0.5
Answer = TypeVar("Answer")


def pace() -> Pace:
    """Return how often supervisors look, beat and wait, from the settings."""
    # Half a second at most between looks for a stop request; the watcher itself spaces the writes.
    look = min(0.5, settings.HEARTBEAT_SECONDS)
    # A beat may be as old as the space between two writes when the supervisor counts from it.
    lease = settings.LEASE_SECONDS - settings.HEARTBEAT_SECONDS
    return Pace(beat=look, lease=lease, grace=settings.GRACE_SECONDS, hook=settings.HOOK_SECONDS)


class Worker:
    """Runs attempts for one node. Safe to use from several threads."""

    def __init__(
        self,
        *,
        node_id: UUID,
        hosts: HostPool,
        stops: StopRequests,
        place: Room,
        hand_over: Callable[[Claim], None],
    ) -> None:
        self.node_id = node_id
        self.room = place
        self._held_back = Held()
        self._hosts = hosts
        self._stops = stops
        #: takes a claimed driver, which must not keep a step slot
        self._hand_over = hand_over
        #: threads that see attempts to their end whose results are stored
        self._tails: set[threading.Thread] = set()
        self._lock = threading.Lock()
        #: in the hands of one of our threads, from before the claim to after the end
        self._held: set[UUID] = set()

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
            next_id = self._take(next_id)

    def _take(self, attempt_id: UUID) -> UUID | None:
        with self._lock:
            if attempt_id in self._held:
                return None
            self._held.add(attempt_id)
        try:
            close_old_connections()
            taken = self._enter(attempt_id, room.need_of(attempt_id))
            if taken is None:
                return None
            try:
                return self._claim_and_run(attempt_id)
            finally:
                self.room.leave(taken)
                for waiting in self._held_back.take_all() if taken.gpus or taken.crashes else ():
                    ring(waiting)
        finally:
            self._held.discard(attempt_id)
            close_old_connections()

    def _claim_and_run(self, attempt_id: UUID) -> UUID | None:
        claimed = claim(attempt_id, owner_id=self.node_id)
        if claimed and claimed.step.kind == StepKind.DRIVER:
            self._hand_over(claimed)
            return None
        return self._run(claimed) if claimed else None

    def _enter(self, attempt_id: UUID, need: Need) -> Need | None:
        """Wait until this runner has what the step needs; None when another one, or a later time, is to have it."""
        if not self.room.has_gpus(need):
            if not room.is_for_another(need):
                room.say_why_it_waits(attempt_id, need)
            elif not self._stops.draining.wait(_PASS_ON_SECONDS):
                ring(attempt_id)
            return None
        if taken := self.room.enter(need, unless=self._stops.draining.is_set):
            return taken
        if self._stops.draining.is_set():
            ring(attempt_id)
        else:
            self._held_back.add(attempt_id)
        return None

    def _run(self, claimed: Claim) -> UUID | None:
        try:
            return self._run_there(claimed)
        except StepwellError as exc:
            error = ErrorInfo(type=type(exc).__name__, message=str(exc), retryable=False)
            ended = Outcome(status=AttemptStatus.FAILED, reason=str(exc), error=error)
        except AWAY as exc:
            ended = Outcome(status=AttemptStatus.INTERRUPTED, reason=f"The database was away: {str(exc).strip()}")
        except Exception as exc:
            # Boundary of the attempt: our own mistake or a machine in trouble; the step has its crash budget.
            log.exception("Attempt %s could not be run.", claimed.attempt.id)
            ended = Outcome(status=AttemptStatus.CRASHED, reason=f"It could not be started: {exc}")
        return end_unstarted(claimed, ended, self._stops)

    def _run_there(self, claimed: Claim) -> UUID | None:
        snapshot = claimed.step.run.snapshot
        launch = _steadily(lambda: launching.prepare(claimed, environment=base_environment()), what="A start")
        remarks = room.remarks(room.need_of_options(claimed.step.plan.get("options", {})), slots=self.room.slots)
        place = operators.host_for(launch.operator, snapshot) if launch.operator else None
        host = place or self._hosts.take(snapshot)
        close_old_connections()
        try:
            attempt = AttemptRun(claimed, launch=launch, host=host, stops=self._stops, remarks=remarks)
        except BaseException:
            place.close() if place else self._hosts.release(snapshot)
            raise
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

    def __init__(
        self,
        claimed: Claim,
        *,
        launch: Launch,
        host: StepHost | OperatorHost,
        stops: StopRequests,
        remarks: Sequence[str] = (),
    ) -> None:
        self.claim = claimed
        self.launch = launch
        self.watcher = AttemptWatcher(claimed, stops=stops)
        self.is_over = False
        self._stops = stops
        self._host = host
        self._writer = open_log(claimed, launch, remarks=remarks)
        masker = launch.masker()
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
            self._hand_back(outcome)
            self._writer.seal()
            return
        _steadily(partial(finish, self.watcher, outcome, writer=self._writer, launch=self.launch), what="An end")
        begun = self.watcher.hooks_begun
        _steadily(partial(hookcalls.settle, self.claim, self._supervision, begun=begun), what="A hook")
        while hook := _steadily(self._next_hook, what="A hook"):
            supervise(hook.supervision)
            _steadily(hook.settle, what="A hook's end")
        self._writer.seal()
        self._store_sizes(outcome)

    def _hand_back(self, outcome: Outcome | None) -> None:
        """Store that we ended it ourselves, as soon as the database is there, unless another process has it now."""
        until = time.monotonic() + _HAND_BACK_SECONDS
        while outcome is not None:
            try:
                self.watcher.result(outcome)
                return
            except AWAY as exc:
                close_old_connections()
                if self._stops.draining.wait(_HAND_BACK_ROUND) or time.monotonic() > until:
                    log.warning("Attempt %s is left to the reaper: %s", self.claim.attempt.id, str(exc).strip())
                    return

    def _store_sizes(self, outcome: Outcome) -> None:
        log_bytes, log_lines, dropped = self._writer.n_bytes, self._writer.n_lines, self._writer.dropped_bytes
        sealed = partial(self.watcher.sealed, log_bytes=log_bytes, log_lines=log_lines, dropped=dropped, usage=outcome)
        _steadily(sealed, what="A log's end")

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
    held_since = watcher.claim.claimed_at
    return Supervision(
        host, spec, log=writer, masker=masker, watcher=watcher, pace=pace(), timeout=timeout, held_since=held_since
    )


def end_unstarted(claimed: Claim, outcome: Outcome, stops: StopRequests) -> UUID | None:
    """Store the end of an attempt whose process was not started; return the attempt this worker takes next, if any."""
    watcher = AttemptWatcher(claimed, stops=stops)
    _steadily(partial(watcher.result, outcome), what="An end")
    return watcher.follow_up


def _steadily(work: Callable[[], Answer], *, what: str) -> Answer:
    return steadily(work, seconds=settings.LEASE_SECONDS / 2, what=what)


def _closing_line(claimed: Claim, outcome: Outcome, launch: Launch) -> str:
    if outcome.result.get("status") == PARKED:
        return f"Paused: {outcome.reason[:1].lower()}{outcome.reason[1:]}"
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
