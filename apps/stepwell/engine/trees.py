"""Process trees: who descends from whom, signalling them all, adopting and ending what a dead process left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: environment variable every step process and what it starts carries, so that leftovers can be told
MARKER = "STEPWELL_ATTEMPT_ID"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_DUMPABLE = 4
_KILL_SECONDS = 5.0
_ROUND_SECONDS = 0.02

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process for ever: process ids are used again, these three together are not."""

    pid: int
    #: clock ticks after boot
    start_time: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    session: int
    start_time: int


@cache
def boot_id() -> str:
    """Return what names this process table: the boot of the machine, and the process namespace a container has."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"


def identify(pid: int) -> ProcessIdentity | None:
    """Return who a process id is now, or None when there is no such process."""
    stat = _stat(pid)
    return None if stat is None else ProcessIdentity(pid=pid, start_time=stat.start_time, boot_id=boot_id())


def is_alive(process: ProcessIdentity) -> bool:
    """Return whether this very process still runs; a zombie does not."""
    stat = _stat(process.pid)
    return (
        stat is not None
        and stat.start_time == process.start_time
        and stat.state not in "ZX"
        and process.boot_id == boot_id()
    )


def children(pid: int) -> list[int]:
    """Return the direct children of a process, zombies too."""
    try:
        found = b" ".join(_read(f"/proc/{pid}/task/{task}/children") for task in os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError:
        if not os.path.exists(f"/proc/{pid}"):
            return []
        return [child for child, stat in _all_stats().items() if stat.parent == pid]
    except OSError:
        return []
    return [int(child) for child in found.split()]


def descendants(pid: int, *, most: int = 0) -> list[int]:
    """Return everything below a process, parents before children, zombies too; ``most``: stop when there are more."""
    found: list[int] = []
    seen = {pid}
    frontier = [pid]
    while frontier:
        below = [child for parent in frontier for child in children(parent) if child not in seen]
        seen.update(below)
        found += below
        if most and len(found) > most:
            break
        frontier = below
    return found


def end_crowd(pid: int) -> None:
    """STOP a process and all below it, each before its children are listed, until no new one is found; KILL them.

    What starts processes faster than they can be killed starts none while it is stopped.
    """
    deadline = time.monotonic() + _KILL_SECONDS
    stopped: set[int] = set()
    while time.monotonic() < deadline:
        frontier, before = [pid], len(stopped)
        for one in frontier:
            if one not in stopped:
                send_signal(one, signal.SIGSTOP)
                stopped.add(one)
            frontier += children(one)
        if len(stopped) == before:
            break
    for one in stopped:
        send_signal(one, signal.SIGKILL)


def signal_tree(pid: int, signum: int) -> None:
    """Send a signal to a process and everything below it, once."""
    for target in [pid, *descendants(pid)]:
        send_signal(target, signum)


def send_signal(pid: int, signum: int) -> None:
    """Send a signal to a process; one that is gone or not ours is passed over."""
    with contextlib.suppress(OSError):
        os.kill(pid, signum)


def kill_tree(pid: int, *, grace: float) -> bool:
    """End a process and everything below it: TERM, up to ``grace`` seconds, then KILL until none is left.

    Return whether all of them are gone. What a parent that died left to someone else is remembered and ended too.
    """
    tree = _Tree(pid)
    if grace > 0:
        tree.signal(signal.SIGTERM)
        if tree.wait(grace, None):
            return True
    return tree.wait(_KILL_SECONDS, signal.SIGKILL)


def kill_all(find: Callable[[], Iterable[int]], *, seconds: float = _KILL_SECONDS) -> bool:
    """KILL whatever ``find`` finds until it finds nothing; return whether that was reached within ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        alive = [pid for pid in find() if _is_running(pid)]
        if not alive:
            return True
        for pid in alive:
            signal_tree(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(_ROUND_SECONDS)


def become_subreaper(*, on: bool = True) -> None:
    """Adopt what dead descendants leave behind, instead of the system's first process doing so."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))


def die_with_parent(parent: int) -> None:
    """Have the kernel KILL this process when its parent (the thread that forked it) ends; exit if it already did."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def keep_to_itself() -> None:
    """Let nobody but root look into this process: not at its environment, nor its memory, though they are its user.

    What it starts as another program is as open as any.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def flush_libc() -> None:
    """Write out what C code left in stdio buffers."""
    _libc.fflush(None)


def find_left_behind(*, session: int = 0, marker: str = "") -> list[int]:
    """Return running processes of a session, or that started with ``MARKER`` set to ``marker``."""
    wanted = f"{MARKER}={marker}".encode()
    found = []
    for pid, stat in _all_stats().items():
        if stat.state in "ZX" or pid == os.getpid():
            continue
        if (session and stat.session == session) or (marker and wanted in _environment(pid)):
            found.append(pid)
    return found


def reap_unknown_children(known: Collection[int]) -> list[int]:
    """KILL children of this process that it adopted, with all below them; return the ids found.

    Adopted are children in another session than ours that are not ``known``: step processes always start a session,
    and nothing below them can join ours again. Call it until nothing is found.
    """
    session = os.getsid(0)
    found = []
    for pid in children(os.getpid()):
        stat = _stat(pid)
        if pid in known or stat is None or stat.session == session:
            continue
        found.append(pid)
        signal_tree(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return found


class _Tree:
    """A process and all that was ever seen below it, by identity."""

    def __init__(self, pid: int) -> None:
        self._members: dict[int, ProcessIdentity] = {}
        self._take(pid)
        self._look()

    def signal(self, signum: int) -> None:
        for member in self._members.values():
            _signal_process(member, signum)

    def wait(self, seconds: float, signum: int | None) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            self._look()
            if not self._members:
                return True
            if signum is not None:
                self.signal(signum)
            if time.monotonic() >= deadline:
                return False
            time.sleep(_ROUND_SECONDS)

    def _look(self) -> None:
        for pid in list(self._members):
            for below in descendants(pid):
                self._take(below)
        for pid, member in list(self._members.items()):
            if not is_alive(member):
                del self._members[pid]

    def _take(self, pid: int) -> None:
        if pid not in self._members and (member := identify(pid)):
            self._members[pid] = member


def _signal_process(process: ProcessIdentity, signum: int) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(process.pid)
        try:
            # The descriptor pins the process, so the check and the signal are about the same one.
            if is_alive(process):
                signal.pidfd_send_signal(descriptor, signum)
        finally:
            os.close(descriptor)


def _is_running(pid: int) -> bool:
    stat = _stat(pid)
    return stat is not None and stat.state not in "ZX"


def is_ended(pidfd: int) -> bool:
    """Return whether the process behind a pidfd has ended, reaped or not."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _all_stats() -> dict[int, _Stat]:
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))):
            stats[int(name)] = stat
    return stats


def _stat(pid: int) -> _Stat | None:
    try:
        text = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    # The name stands in parentheses and may hold spaces and parentheses itself.
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return _Stat(fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def _environment(pid: int) -> list[bytes]:
    try:
        return _read(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return []


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        parts = []
        while part := file.read(65536):
            parts.append(part)
        return b"".join(parts)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
