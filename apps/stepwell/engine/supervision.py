"""One attempt under supervision, from outside its process: output, frames, heartbeats, limits, and the end."""

from __future__ import annotations

import logging
import signal
import time
from functools import partial
from typing import Any

from stepwell.core import failpoints
from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus
from stepwell.engine import endings
from stepwell.engine.asked import Asked
from stepwell.engine.deliveries import Deliveries
from stepwell.engine.logfile import LogWriter
from stepwell.engine.masking import Masker
from stepwell.engine.output import Output
from stepwell.engine.pace import Pace
from stepwell.engine.ports import LaunchSpec, Outcome, Watcher
from stepwell.engine.protocol import FrameError
from stepwell.engine.stephost import Launched, StepHost
from stepwell.errors import Unavailable

logger = logging.getLogger("stepwell.engine")

#: how long output is awaited from a process that outlived the step and holds its pipe
_DRAIN_SECONDS = 2.0
_SWEEP_SECONDS = 5.0
_ROUND_SECONDS = 0.05
#: new progress is not kept waiting for the next beat for longer
_PROGRESS_SECONDS = 1.0
_MAX_WAIT = 5.0
_UNHEARD = "no heartbeat could be stored for {}"


class Supervision:
    """One attempt under supervision. Driven by ``supervise`` or a ``Group``; only ``ask`` is for other threads.

    ``watcher.result`` is called once, as soon as the outcome is known, except when the attempt is lost (its lease is
    gone, or beats or the result could not be stored for too long): then ``is_lost`` is set and nothing is published.
    ``held_since`` is when it became ours (monotonic); None: nobody can take it from us.
    ``outcome`` is complete, with cpu and memory, once ``finished``. The log is flushed then, but not sealed.
    """

    def __init__(
        self,
        host: StepHost,
        spec: LaunchSpec,
        *,
        log: LogWriter,
        masker: Masker,
        watcher: Watcher,
        pace: Pace,
        timeout: float | None = None,
        held_since: float | None = None,
    ) -> None:
        self.spec = spec
        self.outcome: Outcome | None = None
        self.finished = self.is_lost = False
        #: how the process ended once its result was known: hooks over their limit, a signal or the loss of its host
        self.hooks_stopped = self.was_killed = False
        self.pid = 0
        self.progress: dict[str, Any] | None = None
        self._host = host
        self._masker, self._watcher = masker, watcher
        self._pace = pace
        self._timeout, self._held_since = timeout, held_since
        self._deliveries = Deliveries(patience=pace.fence, give_up=self._give_up_delivery)
        self._launched: Launched | None = None
        self._output = Output(log, masker)
        self._asked = Asked()
        self._has_result = self._is_publishing = self._published = False
        self._progress_is_stored = True
        #: the leader has ended (its ending) or cannot be known any more (why)
        self._gone = False
        self._ending: dict[str, Any] = {}
        self._gone_reason = ""
        self._now = self._stored_at = self._next_beat = self._latest_beat = 0.0
        self._start_until: float | None = None
        self._stop_at: float | None = None
        self._kill_at: float | None = None
        self._drain_until: float | None = None
        self._sweep_until: float | None = None

    def start(self) -> None:
        """Launch the process. A host that is gone is an outcome, not an exception."""
        self._now = self._latest_beat = time.monotonic()
        self._stored_at = self._held_since or self._now
        self._next_beat = self._now + self._pace.beat
        self._start_until = self._now + self._pace.start
        try:
            self._launched = self._host.launch(self.spec)
            self._output.open(self._launched.output)
        except Unavailable as error:
            self._lose_host(error.message)
        except (OSError, FrameError) as error:
            self._gone, self._gone_reason = True, f"the process could not be started: {error}"

    def ask(self, answer: str) -> None:
        """From any thread: act as if a beat had been answered with ``cancel``, ``stop`` or ``lost``."""
        self._asked.put(answer)

    def tell(self, frame: dict[str, Any]) -> None:
        """Send the process a frame it did not ask for."""
        if self._launched:
            self._launched.frames.post(frame)

    def filenos(self) -> list[int]:
        """Return the descriptors whose input calls for a ``step``."""
        if self.finished:
            return []
        found = [self._asked.fileno()]
        if self._output.is_open:
            found.append(self._output.fileno())
        if self._launched:
            found += [channel.fileno() for channel in (self._launched.frames, self._launched.ctl) if not channel.closed]
        return found

    def wake_at(self) -> float:
        """Return when the next ``step`` is due without input, on the monotonic clock."""
        ending = (self._start_until, self._stop_at, self._kill_at, self._drain_until)
        moments = (*ending, self._deliveries.next_at, self._output.flush_at)
        due = [self._now + _MAX_WAIT, *(moment for moment in moments if moment is not None)]
        if not self._published and not self.is_lost:
            due.append(self._next_beat)
        if self._sweep_until is not None or self._has_unsent():
            due.append(self._now + _ROUND_SECONDS)
        elif self._gone and not self._output.is_open and not self._deliveries:
            due.append(self._now)
        return min(due)

    def step(self, now: float) -> None:
        """Do what there is to do at ``now`` (monotonic seconds) without waiting."""
        self._now = now
        self._obey(self._asked.take())
        self._read_ctl()
        self._read_frames()
        self._output.read(self._now)
        self._check_clocks()
        self._beat_if_due()
        self._check_end()
        self._output.flush_if_due(now)
        self._deliveries.push(now)
        over = self._gone and not self._output.is_open and self._sweep_until is None and not self._deliveries
        if over and (self._published or self.is_lost):
            self._finish()

    def abandon(self, reason: str) -> None:
        """End the attempt's processes now and publish nothing: for a supervisor that cannot go on."""
        self._lose(reason)
        self._finish()

    def _read_ctl(self) -> None:
        if self._launched is None or self._launched.ctl.closed:
            return
        self._launched.ctl.push()
        for frame in self._launched.ctl.drain():
            match frame.get("op"):
                case "forked":
                    self._forked(int(frame["pid"]))
                case "exited":
                    failpoints.hit("after_step_exit")
                    if frame.get("fenced"):
                        self._lose(_UNHEARD.format(format_duration(self._pace.hold)))
                    self._gone, self._ending = True, frame
                    self.was_killed = bool(frame.get("signal"))
                case "refused":
                    self._gone, self._gone_reason = True, str(frame.get("error"))
        if self._launched.ctl.closed and not self._gone:
            self._lose_host("the step host ended while the step ran" if self.pid else "the step host ended")

    def _forked(self, pid: int) -> None:
        self.pid = pid
        self._start_until = None
        self._hold(self._stored_at)
        if self._timeout is not None:
            self._stop_at = self._now + self._timeout
        self._deliveries.add("the start", partial(self._watcher.started, pid=pid))

    def _read_frames(self) -> None:
        if self._launched is None or self._launched.frames.closed:
            return
        self._launched.frames.push()
        try:
            frames = self._launched.frames.drain()
        except FrameError as error:
            self._decide(endings.crashed(error.message))
            self._kill()
            return
        for frame in frames:
            self._take(endings.mask_frame(self._masker, frame))

    def _take(self, frame: dict[str, Any]) -> None:
        match frame.get("t"):
            case "beat":
                if frame.get("progress") is not None:
                    self.progress, self._progress_is_stored = frame["progress"], False
                    self._next_beat = min(self._next_beat, max(self._now, self._latest_beat + _PROGRESS_SECONDS))
            case "result":
                self._take_result(frame)
            case kind:
                if kind == "hook" and self._has_result:
                    self._stop_at = self._now + self._pace.hook
                self._deliveries.add(f"a {kind} frame", partial(self._deliver_frame, frame))

    def _take_result(self, frame: dict[str, Any]) -> None:
        if self.outcome is not None:
            return
        self._has_result = True
        self._stop_at = None
        self.outcome = endings.outcome_of_result(frame)
        self._output.read(self._now)
        self._publish()

    def _check_clocks(self) -> None:
        if self._is_due(self._start_until):
            self._decide(endings.crashed("the step host did not start the process in time"))
            self._kill()
        if self._is_due(self._stop_at):
            self._stop_at = None
            if self._has_result:
                self.hooks_stopped = True
                self._output.note("ERROR the hooks took longer than their limit and were stopped")
                self._kill()
            elif self._timeout is not None:
                self._stop(endings.timed_out(self._timeout))
        if self._is_due(self._kill_at):
            self._output.note("WARNING the process did not end when asked to and is killed")
            self._kill()

    def _beat_if_due(self) -> None:
        if self._now < self._next_beat or self._published or self.is_lost:
            return
        self._output.flush(self._now)
        try:
            answer = self._store_beat()
        except Exception:  # the watcher is foreign code: a store that is away, a bug
            logger.warning("Could not store a heartbeat of attempt %s", self.spec.attempt_id, exc_info=True)
            self._next_beat = self._now + min(self._pace.beat, self._pace.lease / 20)
            if self._now - self._stored_at > self._pace.fence:
                self._lose(_UNHEARD.format(format_duration(self._pace.fence)))
            return
        self._stored_at = self._latest_beat = self._now
        self._next_beat = self._now + self._pace.beat
        self._hold(self._stored_at)
        self._obey(answer)

    def _hold(self, since: float) -> None:
        """Tell the host until when the attempt is ours; it kills it then, whatever keeps us from doing so."""
        if self._held_since is not None and self._launched and self.pid and not self._gone:
            self._launched.ctl.post({"op": "hold", "until": since + self._pace.hold})

    def _store_beat(self) -> str:
        answer = self._watcher.beat(
            progress=self.progress, log_bytes=self._output.log_bytes, log_lines=self._output.log_lines
        )
        self._progress_is_stored = True
        return answer

    def _obey(self, answer: str) -> None:
        match answer:
            case "cancel":
                self._stop(endings.cancelled())
            case "stop" | "halt":
                self._stop(endings.interrupted("the runner was asked to stop"))
                if answer == "halt" and not self._has_result:
                    self._kill()
            case "lost":
                self._lose("lease lost")

    def _decide(self, outcome: Outcome) -> None:
        """Settle the outcome, unless it is; it is published once the processes are gone."""
        if self.outcome is None:
            self.outcome = outcome
            self._output.note(f"ERROR {outcome.reason}")

    def _stop(self, outcome: Outcome) -> None:
        """Settle the outcome and ask the processes to end, unless a result was there first."""
        if self.outcome is not None or self._gone:
            return
        self._decide(outcome)
        self._stop_at = None
        if self._launched is None or not self.pid:
            self._kill()
            return
        self._kill_at = self._now + self._pace.grace
        self._launched.frames.post({"t": "stop"})
        self._launched.ctl.post({"op": "signal", "signal": int(signal.SIGTERM)})

    def _kill(self) -> None:
        """Have the host kill everything of the attempt; what was not forked yet will not be."""
        self._start_until = self._stop_at = self._kill_at = None
        if self._launched is None or self._gone:
            return
        if self.pid:
            self._launched.ctl.post({"op": "kill"})
        else:
            self._launched.ctl.close()
            self._output.close()
            self._gone = True

    def _lose(self, reason: str) -> None:
        """End an attempt that is not ours any more, or will soon not be; publish nothing."""
        if self.is_lost or self._published:
            return
        self.is_lost = True
        self._deliveries.clear()
        self.outcome = endings.interrupted(reason)
        self._output.note(f"ERROR {reason}")
        self._kill()

    def _lose_host(self, reason: str) -> None:
        self._gone, self._gone_reason, self.was_killed = True, reason, True
        self._sweep_until = self._now + _SWEEP_SECONDS

    def _check_end(self) -> None:
        """Once the process is gone and its output is in, settle what became of it and publish."""
        if not self._gone or self._is_sweeping():
            return
        if self._output.is_open:
            if self._drain_until is None:
                self._drain_until = self._now + _DRAIN_SECONDS
            if not self._is_due(self._drain_until):
                return
            self._output.close()
        self._drain_until = self._start_until = self._stop_at = self._kill_at = None
        if self.outcome is None:
            self._settle_crash()
        if self.outcome is not None and self._ending:
            self.outcome, self._ending = endings.add_usage(self.outcome, self._ending), {}
        self._publish()

    def _settle_crash(self) -> None:
        if not self.pid and (words := self._host.last_words()):
            self._output.add(words)
        known = endings.crashed(self._gone_reason) if self._gone_reason else endings.outcome_of_exit(self._ending)
        self._decide(known)

    def _is_sweeping(self) -> bool:
        """The host died, and the kernel killed the step with it: end what else there was of the attempt."""
        if self._sweep_until is None:
            return False
        is_clean = self._host.end_left_behind(session=self.pid, attempt_id=self.spec.attempt_id)
        if is_clean or self._is_due(self._sweep_until):
            self._sweep_until = None
        return self._sweep_until is not None

    def _publish(self) -> None:
        if self._is_publishing or self.is_lost:
            return
        self._is_publishing = True
        self._output.flush(self._now)
        if not self._progress_is_stored:
            self._deliveries.add("the progress", self._store_beat)
        self._deliveries.add("the result", self._deliver_result, is_result=True)

    def _deliver_frame(self, frame: dict[str, Any]) -> None:
        if (answer := self._watcher.frame(frame)) is not None and self._launched:
            self._launched.frames.post(answer)

    def _deliver_result(self) -> None:
        if self.outcome is None:
            return
        if stored := self._watcher.result(self.outcome):
            self.outcome = stored
            if stored.status == AttemptStatus.INTERRUPTED and self._has_result:
                self._lose(stored.reason)
                return
        self._published = True
        if self._launched and not self._gone:
            # The hooks have their time from now on. No beat follows: the host must not think that we hang.
            self._stop_at = time.monotonic() + self._pace.hook
            self._hold(self._stop_at)
            self._launched.frames.post(endings.published_frame(self.outcome))

    def _give_up_delivery(self, name: str, error: Exception, is_result: bool) -> None:
        text = f"{name} could not be stored: {error}"
        if is_result:
            self._lose(text)
        else:
            self._output.note(f"ERROR {text}")

    def _finish(self) -> None:
        self._output.close()
        self._output.flush(self._now)
        if self._launched:
            self._launched.frames.close()
            self._launched.ctl.close()
        self.finished = True
        self._asked.close()

    def _has_unsent(self) -> bool:
        return self._launched is not None and bool(self._launched.frames.unsent_bytes + self._launched.ctl.unsent_bytes)

    def _is_due(self, moment: float | None) -> bool:
        return moment is not None and self._now >= moment
