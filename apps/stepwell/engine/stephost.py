"""The runner's (or script's) handle on a step host: start it, launch step processes in it, close it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, NoReturn

from stepwell.core import failpoints
from stepwell.engine import stepchild, trees, zygote
from stepwell.engine.ports import LaunchSpec
from stepwell.engine.protocol import FrameSocket, frame_pair
from stepwell.errors import Unavailable

#: size asked for the pipe that carries a step's output, in bytes
_PIPE_BYTES = 1024 * 1024
_CLOSE_SECONDS = 6.0
_LAST_WORDS_BYTES = 64 * 1024

_open_hosts: weakref.WeakSet[StepHost] = weakref.WeakSet()


@dataclass(slots=True, kw_only=True)
class Launched:
    """The supervisor's ends of one attempt."""

    #: read end of the pipe behind descriptors 1 and 2, not blocking
    output: int
    #: to and from the step process
    frames: FrameSocket
    #: to and from the host, about this attempt; closing it has the host end the attempt's processes
    ctl: FrameSocket


class StepHost:
    """A process that has user code loaded and forks one step process per launch. Threads may share it."""

    def __init__(self, pid: int, control: FrameSocket, *, wait: Callable[[], int], output: IO[bytes] | None) -> None:
        self.pid = pid
        self._control = control
        self._wait = wait
        self._output = output
        self._pidfd = os.pidfd_open(pid)
        self._lock = threading.Lock()
        self._exit_code: int | None = None
        #: ours, whatever session they are in; anything we adopt after the host's death is not
        self._siblings = frozenset(trees.children(os.getpid()))
        trees.become_subreaper()
        _open_hosts.add(self)

    @classmethod
    def spawn(cls, command: Sequence[str], *, environment: dict[str, str], work_folder: str) -> StepHost:
        """Start a host from a command, to which ``--fd N`` is added: the descriptor to call ``zygote.serve`` with.

        Launches made while it still imports user code wait for it. What it prints is kept for ``last_words``.

        Raises:
            Unavailable: The command cannot be started.
        """
        ours, theirs = frame_pair()
        output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the host
        try:
            process = subprocess.Popen(
                [*command, "--fd", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=work_folder or None,
                # Not in the terminal's group: Ctrl-C is for the runner, in the middle of an import too.
                process_group=0,
            )
        except OSError as error:
            output.close()
            ours.close()
            raise Unavailable(
                f"The step host could not be started: {error}.", hint="Check that the interpreter and folder exist."
            ) from error
        finally:
            theirs.close()
        return cls(process.pid, FrameSocket(ours), wait=process.wait, output=output)

    @classmethod
    def fork(cls, child_main: stepchild.ChildMain) -> StepHost:
        """Fork a host from this process, which must have one thread. It knows every object this process has now.

        Raises:
            Unavailable: The system refuses another process.
        """
        ours, theirs = frame_pair()
        stepchild.flush_streams()
        # Until it ignores them, no signal may run the script's handlers in the host.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, zygote.IGNORED_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                controls = [host.close_inherited for host in _open_hosts]
                _serve_forked(child_main, theirs.detach(), [ours.close, *controls], unblocked)
        except OSError as error:
            ours.close()
            raise Unavailable(f"The system could not start a process: {error.strerror}.") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            theirs.close()
        return cls(pid, FrameSocket(ours), wait=lambda: _wait_for(pid), output=None)

    @property
    def alive(self) -> bool:
        return self._exit_code is None and not trees.is_ended(self._pidfd)

    def launch(self, spec: LaunchSpec) -> Launched:
        """Ask for a process. ``ctl`` then brings forked and exited; it closes early when the host dies.

        Raises:
            Unavailable: The host is gone.
        """
        if not self.alive:
            raise Unavailable("The step host is gone.")
        failpoints.hit("before_spawn")
        output, output_child = os.pipe()
        frames, frames_child = frame_pair()
        ctl, ctl_host = frame_pair()
        with contextlib.suppress(OSError):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.set_blocking(output, False)
        launched = Launched(output=output, frames=FrameSocket(frames), ctl=FrameSocket(ctl))
        try:
            # The request is small and never waits for a busy host; the spec follows on the attempt's own socket.
            launched.ctl.post({"op": "launch", "spec": _as_dict(spec)})
            self._control.send({"op": "launch"}, descriptors=(output_child, frames_child.fileno(), ctl_host.fileno()))
        finally:
            os.close(output_child)
            frames_child.close()
            ctl_host.close()
        failpoints.hit("after_spawn")
        return launched

    def last_words(self) -> bytes:
        """Return the end of what the host itself printed, for example why its import failed; empty when forked."""
        if self._output is None or self._output.closed:
            return b""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), _LAST_WORDS_BYTES, max(0, size - _LAST_WORDS_BYTES))

    def end_left_behind(self, *, session: int, attempt_id: str) -> bool:
        """After the host's death: KILL what it left of an attempt; return whether nothing was found any more."""
        found = trees.find_left_behind(session=session, marker=attempt_id)
        for pid in found:
            trees.signal_tree(pid, signal.SIGKILL)
        return not [*found, *trees.reap_unknown_children(self._siblings)]

    def close(self) -> int:
        """End every process of the host and the host; return its exit code (negative: the signal that ended it)."""
        self._control.close()
        with self._lock:
            if self._exit_code is None:
                _wait_ended(self._pidfd, _CLOSE_SECONDS)
                if not trees.is_ended(self._pidfd):
                    trees.kill_tree(self.pid, grace=0)
                self._exit_code = self._wait()
                os.close(self._pidfd)
                if self._output is not None:
                    self._output.close()
                _open_hosts.discard(self)
            return self._exit_code

    def close_inherited(self) -> None:
        """In a new fork: let go of a host that belongs to the parent."""
        self._control.close()


def _serve_forked(
    child_main: stepchild.ChildMain,
    control: int,
    inherited: Sequence[Callable[[], None]],
    unblocked: set[int | signal.Signals],
) -> NoReturn:
    code = 1
    try:
        zygote.ignore_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        for close in inherited:
            close()
        with socket.socket(fileno=control) as connection:
            zygote.serve(connection, child_main)
        code = 0
    except BaseException:  # the boundary of the process: nothing may run on into the script's code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _as_dict(spec: LaunchSpec) -> dict[str, object]:
    return {
        "kind": spec.kind,
        "attempt_id": spec.attempt_id,
        "payload": spec.payload,
        "environment": spec.environment,
        "memory_bytes": spec.memory_bytes,
        "most_processes": spec.most_processes,
        "temp_folder": spec.temp_folder,
        "work_folder": spec.work_folder,
    }


def _wait_for(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return 0


def _wait_ended(pidfd: int, seconds: float) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(seconds * 1000)
