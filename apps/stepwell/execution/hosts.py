"""The step hosts of this runner: one per code archive, started when first needed, closed when long unused."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from stepwell.core import failpoints
from stepwell.engine.stephost import StepHost
from stepwell.execution import archives
from stepwell.pipelines.models import Snapshot

_IDLE_SECONDS = 600
_MOST_HOSTS = 16
#: what a step process may see of our environment; the rest (database, keys, tokens) stays out
_PASSED = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    failpoints.VARIABLE,
    failpoints.COUNTS_VARIABLE,
}
_PASSED_PREFIXES = ("LC_", "SSL_CERT", "CUDA_", "NVIDIA_", "OMP_", "OPENBLAS_", "MKL_", "STEPWELL_STEP_")


def base_environment() -> dict[str, str]:
    """Return the part of this process's environment that step processes get."""
    passed = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    return {**passed, "PYTHONUNBUFFERED": "1"}


def host_command(*, root: Path, entry_file: str) -> list[str]:
    """Return the command that starts a step host for the code below ``root``."""
    return [sys.executable, "-P", "-m", "stepwell.sdk.host", "--root", str(root), "--entry", entry_file]


def spawn(*, root: Path, entry_file: str) -> StepHost:
    """Start a step host."""
    package_root = str(Path(__file__).resolve().parents[2])
    environment = {**base_environment(), "PYTHONPATH": package_root}
    return StepHost.spawn(
        host_command(root=root, entry_file=entry_file), environment=environment, work_folder=str(root)
    )


class HostPool:
    """Step hosts by (archive, entry file). Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[tuple[str, str], StepHost] = {}
        self._used_at: dict[tuple[str, str], float] = {}
        self._busy: dict[tuple[str, str], int] = {}

    def take(self, snapshot: Snapshot) -> StepHost:
        """Return a living host for the snapshot's code; give it back with ``release``."""
        key = (snapshot.code_hash, snapshot.entry_file)
        with self._lock:
            host = self._hosts.get(key)
            if host is None or not host.alive:
                if host is not None:
                    host.close()
                host = spawn(root=archives.unpacked(snapshot.code_hash), entry_file=snapshot.entry_file)
                self._hosts[key] = host
            self._busy[key] = self._busy.get(key, 0) + 1
            self._used_at[key] = time.monotonic()
            return host

    def release(self, snapshot: Snapshot) -> None:
        key = (snapshot.code_hash, snapshot.entry_file)
        with self._lock:
            self._busy[key] -= 1
            self._used_at[key] = time.monotonic()

    def close_unused(self) -> None:
        """Close hosts nobody used for ten minutes, and the longest unused beyond sixteen."""
        with self._lock:
            free = sorted((key for key in self._hosts if not self._busy.get(key)), key=self._used_at.__getitem__)
            surplus = len(self._hosts) - _MOST_HOSTS
            for index, key in enumerate(free):
                if index < surplus or time.monotonic() - self._used_at[key] > _IDLE_SECONDS:
                    self._hosts.pop(key).close()

    def close(self) -> None:
        """Close every host; their step processes end with them."""
        with self._lock:
            for host in self._hosts.values():
                host.close()
            self._hosts.clear()
