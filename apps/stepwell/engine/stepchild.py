"""Turning a fresh fork of the step host into a step process, and ending it."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import random
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TextIO

from stepwell.engine import temps, trees
from stepwell.engine.protocol import FrameSocket

ChildMain = Callable[[dict[str, Any], FrameSocket], object]

#: signals Python ignores on purpose
_KEEP_IGNORED = {signal.SIGPIPE, signal.SIGXFSZ}


def run_child(
    child_main: ChildMain,
    spec: dict[str, Any],
    *,
    output: int,
    frames: int,
    host_pid: int,
    host_descriptors: Iterable[int],
    handled: Iterable[int],
) -> NoReturn:
    """Set this process up as ``spec`` (a LaunchSpec as dict) says, call ``child_main``, and exit.

    Only the host's own descriptors are closed: files that user code opened while it was imported stay usable.
    ``handled`` are the ``handled_signals`` of the host.
    """
    code = 1
    try:
        _leave_host(host_pid, host_descriptors, handled)
        _redirect(output)
        _limit(spec.get("memory_bytes"))
        _enter(spec)
        channel = FrameSocket(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=frames))
        child_main(spec["payload"], channel)
        code = 0
    except BaseException:  # the boundary of the process: whatever it is, it goes to the log and the exit code
        traceback.print_exc()
    finally:
        _exit(code)


def flush_streams() -> None:
    """Write out buffered output, so that no fork writes it a second time."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    trees.flush_libc()


def handled_signals() -> tuple[int, ...]:
    """Return the signals that do not have the system's default here, but are to have it in a step process."""
    valid = signal.valid_signals() - _KEEP_IGNORED
    return tuple(int(one) for one in valid if signal.getsignal(one) not in (signal.SIG_DFL, None))


def _leave_host(host_pid: int, host_descriptors: Iterable[int], handled: Iterable[int]) -> None:
    os.setsid()
    trees.die_with_parent(host_pid)
    trees.become_subreaper()
    signal.set_wakeup_fd(-1)
    for signum in handled:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for descriptor in host_descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    gc.enable()


def _redirect(output: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)
    sys.stdout = _text_stream(sys.stdout, 1)
    sys.stderr = _text_stream(sys.stderr, 2)
    faulthandler.enable(file=2)


def _text_stream(stream: Any, descriptor: int) -> TextIO:
    # The same object where it can be: logging handlers made at import hold on to it.
    with contextlib.suppress(Exception):
        if stream.fileno() == descriptor:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
            kept: TextIO = stream
            return kept
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _limit(memory_bytes: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _enter(spec: dict[str, Any]) -> None:
    _set_environment({**spec["environment"], trees.MARKER: spec["attempt_id"]})
    time.tzset()
    if spec.get("temp_folder"):
        temps.enter(spec["temp_folder"])
    if spec.get("work_folder"):
        os.chdir(spec["work_folder"])
    random.seed()
    if numpy_random := sys.modules.get("numpy.random"):
        with contextlib.suppress(Exception):
            numpy_random.seed()


def _set_environment(wanted: dict[str, str]) -> None:
    # Most of it is the host's, and a variable that is set costs a copy of pages shared with the host.
    for name in set(os.environ) - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _exit(code: int) -> NoReturn:
    # An exception here (a full disk behind a redirected stream) must not run the host's code in this process.
    try:
        flush_streams()
    finally:
        os._exit(code)
