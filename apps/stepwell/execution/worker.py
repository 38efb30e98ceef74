"""One attempt from claim to end, in one thread of the runner."""

from __future__ import annotations

import logging
from dataclasses import asdict
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections

from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus, StepStatus
from stepwell.engine.logfile import LogWriter
from stepwell.engine.masking import Masker
from stepwell.engine.ports import ErrorInfo, LaunchSpec, Outcome
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Pace, Supervision, supervise
from stepwell.errors import StepwellError
from stepwell.execution import launching, operators
from stepwell.execution.claims import Claim, claim
from stepwell.execution.doorbell import ring
from stepwell.execution.hosts import HostPool, base_environment
from stepwell.execution.launching import Launch
from stepwell.execution.operators.interface import OperatorHost
from stepwell.execution.steplog import open_log
from stepwell.execution.watching import AttemptWatcher, StopRequests
from stepwell.runs.models import StepRun

log = logging.getLogger(__name__)


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
        try:
            return run_claimed(claimed, launch=launch, host=host, stops=self._stops)
        finally:
            place.close() if place else self._hosts.release(snapshot)
            self._stops.forget(claimed.attempt.id)


def run_claimed(claimed: Claim, *, launch: Launch, host: StepHost | OperatorHost, stops: StopRequests) -> UUID | None:
    """Supervise a claimed attempt to its end; return the attempt this worker takes next, if any."""
    masker = Masker(launch.secret_values)
    watcher = AttemptWatcher(claimed, stops=stops)
    writer = open_log(claimed, launch)
    supervision = _supervision(launch.spec, host, writer, masker, watcher, launch.options.timeout)
    outcome = supervise(supervision)
    if supervision.is_lost:
        writer.seal()
        return None
    finish(watcher, outcome, writer=writer, launch=launch)
    if hook := late_hook(watcher, launch, outcome, host=host, writer=writer):
        end_late_hook(watcher, supervise(hook))
    writer.seal()
    watcher.sealed(log_bytes=writer.n_bytes, log_lines=writer.n_lines, dropped=writer.dropped_bytes, usage=outcome)
    return watcher.follow_up


def finish(watcher: AttemptWatcher, outcome: Outcome, *, writer: LogWriter, launch: Launch) -> None:
    """Publish what was not published yet, and write into the log how it ended."""
    watcher.result(outcome)
    _record_lost_hooks(watcher, outcome, launch)
    if outcome.status != AttemptStatus.COMPLETED:
        writer.note(_closing_line(watcher.claim, outcome, launch))


def _record_lost_hooks(watcher: AttemptWatcher, outcome: Outcome, launch: Launch) -> None:
    """Say of each hook that was due after the result that the process ended before it did."""
    due = {AttemptStatus.COMPLETED: ("on_end", "on_success"), AttemptStatus.FAILED: ("on_end", "on_failure")}
    for name in due.get(outcome.status, ()) if launch.options.hooks_enabled else ():
        if not getattr(launch.options.hooks, name) or name in watcher.hooks_told:
            continue
        if name == "on_failure" and not _is_last(launch, outcome):
            continue
        watcher.frame({"t": "hook", "hook": name, "ok": False, "error": "The process ended before the hook did."})


def _is_last(launch: Launch, outcome: Outcome) -> bool:
    return bool(launch.spec.payload.get("last_attempt")) or not (outcome.error is None or outcome.error.retryable)


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


def _needs_late_hook(claimed: Claim, launch: Launch, outcome: Outcome) -> bool:
    """Return whether ``on_failure`` is due and the step's own process could not run it."""
    if outcome.status not in {AttemptStatus.CRASHED, AttemptStatus.TIMED_OUT}:
        return False
    options = launch.options
    failed = StepRun.objects.filter(id=claimed.step.id, status=StepStatus.FAILED).exists()
    return failed and options.hooks_enabled and bool(options.hooks.on_failure)


class _HookWatcher(AttemptWatcher):
    """Records what the hook did; the attempt has ended and stays as it is."""

    def started(self, *, pid: int) -> None:
        pass

    def beat(self, *, progress: object, log_bytes: int, log_lines: int) -> str:
        return "go"

    def result(self, outcome: Outcome) -> None:
        pass


def late_hook(
    watcher: AttemptWatcher, launch: Launch, outcome: Outcome, *, host: StepHost | OperatorHost, writer: LogWriter
) -> Supervision | None:
    """Return the supervision of ``on_failure`` in a fresh process, when it is due and the step's own is gone."""
    if not _needs_late_hook(watcher.claim, launch, outcome):
        return None
    error = outcome.error or ErrorInfo(type="StepCrashed", message=outcome.reason)
    spec = launching.hook_spec(watcher.claim, launch, error=asdict(error))
    recorder = _HookWatcher(watcher.claim, stops=StopRequests())
    return _supervision(spec, host, writer, Masker(launch.secret_values), recorder, settings.HOOK_SECONDS)


def end_late_hook(watcher: AttemptWatcher, ended: Outcome) -> None:
    """Record a late hook that did not come to its end."""
    if ended.status != AttemptStatus.COMPLETED:
        watcher.frame({"t": "hook", "hook": "on_failure", "ok": False, "error": ended.reason})
