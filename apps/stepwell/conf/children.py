"""The processes ``stepwell up`` keeps alive: started in sessions of their own, restarted with growing waits, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from stepwell.conf.cli_serve import LEASH_VARIABLE
from stepwell.conf.cli_setup import warn

#: seconds before the first restart, doubled each time up to the second number
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0
#: seconds a process has to live for the next wait to be the first again
_HEALTHY_SECONDS = 30.0
#: seconds after the request to stop: the request is repeated (a runner then gives up its steps), then all is killed
_REPEAT_AFTER, _KILL_AFTER = 1.5, 4.0

_SOURCE_ROOT = Path(__file__).resolve().parents[2]


def command(module: str, *words: str) -> list[str]:
    """Return the command that runs one of our modules with this interpreter."""
    return [sys.executable, "-m", module, *words]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment, in which a child finds the same ``stepwell``."""
    python_path = os.environ.get("PYTHONPATH", "")
    if str(_SOURCE_ROOT) not in python_path.split(os.pathsep):
        python_path = os.pathsep.join(filter(None, [str(_SOURCE_ROOT), python_path]))
    return {**os.environ, "PYTHONPATH": python_path, **more}


class Child:
    """One process to keep alive."""

    def __init__(self, name: str, words: Sequence[str], *, leash: int, passed: Iterable[int] = ()) -> None:
        self.name = name
        self._command = command("stepwell", *words)
        self._environment = environment(**{LEASH_VARIABLE: str(leash)})
        self._passed = (leash, *passed)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._wait = _FIRST_WAIT
        self._start_at: float | None = None

    def start(self) -> None:
        # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which then ends children in order.
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            pass_fds=self._passed,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        self._start_at = None

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def keep_alive(self) -> None:
        """Start the process again if it has ended, after a wait that grows while it keeps ending."""
        if not self.has_ended():
            return
        now = time.monotonic()
        if self._start_at is None:
            if now - self._started_at > _HEALTHY_SECONDS:
                self._wait = _FIRST_WAIT
            self._start_at = now + self._wait
            warn(f"{self.name} {self._how_it_ended()}; it is started again in {self._wait:g} s.")
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
        elif now >= self._start_at:
            self.start()

    def ask_to_stop(self) -> None:
        if self._process is not None and self.is_alive():
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self._process is not None and self.is_alive():
            self._process.kill()
            self._process.wait()

    def _how_it_ended(self) -> str:
        code = self._process.returncode if self._process else 0
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def end_all(children: list[Child]) -> None:
    """Stop every process, and whatever they leave behind, within 5 seconds."""
    left = _descendants()
    begun = time.monotonic()
    n_asked = 0
    while any(child.is_alive() for child in children) and (elapsed := time.monotonic() - begun) < _KILL_AFTER:
        if n_asked == 0 or (n_asked == 1 and elapsed > _REPEAT_AFTER):
            n_asked += 1
            for child in children:
                child.ask_to_stop()
        time.sleep(0.02)
    left |= _descendants()
    for child in children:
        child.kill()
    _sweep(left)


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _sweep(processes: set[psutil.Process]) -> None:
    """Kill what is left of ``processes``; psutil tells a reused pid apart by its start time."""
    for process in processes:
        if process.is_running():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
    psutil.wait_procs(processes, timeout=0.5)
