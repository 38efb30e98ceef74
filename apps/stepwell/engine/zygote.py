"""The step host's loop: forks step processes on request, reaps them, and ends what they leave behind."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any

from stepwell.engine import stepchild, temps, trees
from stepwell.engine.protocol import FrameError, FrameSocket

#: descriptors that come with a launch request: output, frames, control of the attempt
LAUNCH_DESCRIPTORS = 3
#: seconds between TERM and KILL for a process its step left behind
_ORPHAN_GRACE = 0.5
_ORPHAN_ROUND = 0.05
_EXIT_SECONDS = 5.0
#: seconds between two counts of the processes of steps
_COUNT_ROUND = 0.25
#: counting is a small part of the time, however many there are
_COUNT_SHARE = 20
#: the runner or script decides when to stop: it closes the control socket
IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(control: socket.socket, child_main: stepchild.ChildMain) -> None:
    """Fork a step process per launch request, until the other end of ``control`` closes; then end all and return.

    ``child_main(payload, frames)`` runs in the forked process, set up as the launch asks. Call this from the main
    thread of a process with no other threads.
    """
    _Zygote(control, child_main).run()


def ignore_signals() -> None:
    """Leave the signals of a terminal or a service supervisor to the runner or script."""
    for signum in IGNORED_SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


@dataclass(slots=True, eq=False)
class _Child:
    """One attempt: its process (0: not forked yet) and the host's descriptors for it (-1: handed over)."""

    ctl: FrameSocket
    output: int
    frames: int
    pid: int = 0
    #: until when it is its supervisor's, on the monotonic clock; None: for as long as the supervisor is there
    held_until: float | None = None
    is_fenced: bool = False
    #: more processes than that below it are ended with it; 0: any number
    most_processes: int = 0
    is_crowded: bool = False
    temp_folder: str = ""

    def descriptors(self) -> list[int]:
        return [*self.ctl.held_descriptors(), *(fd for fd in (self.output, self.frames) if fd >= 0)]

    def close_handed_over(self) -> None:
        for descriptor in (self.output, self.frames):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self.frames = -1


class _Zygote:
    def __init__(self, control: socket.socket, child_main: stepchild.ChildMain) -> None:
        self._control = FrameSocket(control)
        self._child_main = child_main
        self._pid = os.getpid()
        self._by_ctl: dict[int, _Child] = {}
        self._by_pid: dict[int, _Child] = {}
        #: what user code started while it was imported is the host's, not a dead step's
        self._own = set(trees.children(self._pid))
        self._orphans: dict[int, float] = {}
        self._count_at = 0.0
        self._poll = select.poll()
        self._wake, self._waker = os.pipe()
        #: what a step process has to put back to the system's way, in place of the host's and the user's import
        self._handled: tuple[int, ...] = ()

    def run(self) -> None:
        self._prepare()
        try:
            while not self._control.closed:
                self._round()
        finally:
            self._end_all()
            for child in self._by_pid.values():
                temps.remove(child.temp_folder)

    def _prepare(self) -> None:
        trees.become_subreaper()
        ignore_signals()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)
        signal.signal(signal.SIGCHLD, _note_signal)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        # A TERM that meets a fork before it is set up has to wait; ignored as here, it would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_SIGNALS)
        self._handled = stepchild.handled_signals()
        for descriptor in (self._wake, self._control.fileno()):
            self._poll.register(descriptor, select.POLLIN)
        # A collection in a child would touch, and so copy, every page of the host's objects.
        gc.freeze()
        with contextlib.suppress(OSError):
            os.write(self._waker, b"\0")

    def _round(self) -> None:
        for descriptor, _ in self._poll.poll(self._wait_ms()):
            if descriptor == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._reap()
            elif descriptor == self._control.fileno():
                self._take_launches()
            elif child := self._by_ctl.get(descriptor):
                self._obey(child)
        if self._orphans:
            self._end_orphans()
        self._fence()
        self._end_crowds()

    def _wait_ms(self) -> float | None:
        if self._orphans:
            return _ORPHAN_ROUND * 1000
        due = [child.held_until for child in self._by_pid.values() if child.held_until is not None]
        due += [self._count_at for child in self._by_pid.values() if child.most_processes][:1]
        return max(0.0, min(due) - time.monotonic()) * 1000 + 1 if due else None

    def _fence(self) -> None:
        """KILL what its supervisor did not hold any longer: it is stuck or stopped, and another may take over soon."""
        now = time.monotonic()
        for child in self._by_pid.values():
            if child.held_until is not None and child.held_until <= now:
                child.held_until, child.is_fenced = None, True
                trees.signal_tree(child.pid, signal.SIGKILL)

    def _end_crowds(self) -> None:
        """KILL steps that have more processes than they may, with all of those."""
        began = time.monotonic()
        if began < self._count_at:
            return
        for child in self._by_pid.values():
            most = child.most_processes
            if most and len(trees.descendants(child.pid, most=most)) > most:
                child.is_crowded = True
                trees.end_crowd(child.pid)
        ended = time.monotonic()
        self._count_at = ended + max(_COUNT_ROUND, _COUNT_SHARE * (ended - began))

    def _take_launches(self) -> None:
        for _ in _frames(self._control):
            descriptors = self._control.take_descriptors(LAUNCH_DESCRIPTORS)
            if not descriptors:
                continue
            output, frames, ctl = descriptors
            child = _Child(FrameSocket(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=ctl)), output, frames)
            self._by_ctl[ctl] = child
            self._poll.register(ctl, select.POLLIN)
            self._obey(child)

    def _obey(self, child: _Child) -> None:
        for frame in _frames(child.ctl):
            match frame.get("op"):
                case "launch" if not child.pid:
                    self._fork(child, frame["spec"])
                case "signal" if child.pid:
                    trees.signal_tree(child.pid, int(frame["signal"]))
                case "hold":
                    child.held_until = float(frame["until"])
                case "kill" if child.pid:
                    trees.signal_tree(child.pid, signal.SIGKILL)
        if child.ctl.closed:
            if child.pid:
                trees.signal_tree(child.pid, signal.SIGKILL)
            self._forget_ctl(child)

    def _fork(self, child: _Child, spec: dict[str, Any]) -> None:
        stepchild.flush_streams()
        try:
            pid = os.fork()
        except OSError as error:
            child.ctl.send({"op": "refused", "error": f"the system could not start a process: {error.strerror}"})
            self._forget_ctl(child)
            return
        if pid == 0:
            stepchild.run_child(
                self._child_main,
                spec,
                output=child.output,
                frames=child.frames,
                host_pid=self._pid,
                host_descriptors=self._descriptors_but(child),
                handled=self._handled,
            )
        child.pid = pid
        child.most_processes, child.temp_folder = spec.get("most_processes") or 0, spec.get("temp_folder") or ""
        self._by_pid[pid] = child
        child.close_handed_over()
        child.ctl.post({"op": "forked", "pid": pid})

    def _descriptors_but(self, child: _Child) -> list[int]:
        mine = {child.output, child.frames}
        held = [self._wake, self._waker, *self._control.held_descriptors()]
        for other in self._by_ctl.values():
            held += other.descriptors()
        return [descriptor for descriptor in held if descriptor not in mine]

    def _reap(self) -> None:
        reaped = False
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._orphans.clear()
                return
            if pid == 0:
                break
            reaped = True
            self._orphans.pop(pid, None)
            self._own.discard(pid)
            if child := self._by_pid.pop(pid, None):
                child.ctl.post(
                    {
                        "op": "exited",
                        **_ending(status),
                        **({"fenced": True} if child.is_fenced else {}),
                        **({"crowd": child.most_processes} if child.is_crowded else {}),
                        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 6),
                        "peak_memory_bytes": usage.ru_maxrss * 1024,
                    }
                )
                self._forget_ctl(child)
                if remover := temps.remove_aside(child.temp_folder):
                    self._own.add(remover)
        if reaped:
            self._end_orphans()

    def _forget_ctl(self, child: _Child) -> None:
        descriptor = child.ctl.fileno()
        if descriptor >= 0:
            self._by_ctl.pop(descriptor, None)
            self._poll.unregister(descriptor)
            child.ctl.close()
        child.close_handed_over()

    def _end_orphans(self) -> None:
        """TERM, later KILL, the trees of children that no launch made: a dead step left them to us."""
        now = time.monotonic()
        for pid in trees.children(self._pid):
            if pid in self._by_pid or pid in self._own:
                continue
            if pid not in self._orphans:
                self._orphans[pid] = now + _ORPHAN_GRACE
                trees.signal_tree(pid, signal.SIGTERM)
            elif now >= self._orphans[pid]:
                trees.signal_tree(pid, signal.SIGKILL)

    def _end_all(self) -> None:
        deadline = time.monotonic() + _EXIT_SECONDS
        while time.monotonic() < deadline:
            below = trees.descendants(self._pid)
            for pid in below:
                trees.send_signal(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not below:
                return
            select.poll().poll(10)


def _frames(channel: FrameSocket) -> list[dict[str, Any]]:
    # A peer that breaks the protocol is treated like one that closed: `closed` is set by then.
    try:
        return channel.drain()
    except FrameError:
        return []


def _ending(status: int) -> dict[str, int]:
    code = os.waitstatus_to_exitcode(status)
    return {"signal": -code} if code < 0 else {"exit_code": code}


def _note_signal(signum: int, frame: object) -> None:
    """Exist: without a handler Python does not write to the wake-up descriptor."""
