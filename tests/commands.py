"""Runs scripts and the ``stepwell`` command as a user does: in processes and a data folder of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: seconds a command may take on a busy machine
PATIENCE = 90


@cache
def prepared_home() -> Path:
    """Return a data folder to copy: a migrated database, an admin, and an admin's token in the file ``token``.

    Making it costs seconds, and every test would. It is kept between test processes, by what the migrations say. First
    starts are tested without it, in a folder made beforehand.
    """
    migrations = sorted((ROOT / "apps").rglob("migrations/*.py"))
    said = hashlib.sha256(b"".join(path.read_bytes() for path in migrations)).hexdigest()
    kept = Path(tempfile.gettempdir()) / f"stepwell-home-{os.getuid()}-{said[:16]}"
    if not (kept / "token").is_file():
        draft = Path(tempfile.mkdtemp(prefix="stepwell-home-"))
        environment = {**os.environ, "STEPWELL_HOME": str(draft), "PYTHONPATH": str(ROOT / "apps")}
        command = [sys.executable, "-m", "stepwell", "tokens", "create", "tests", "--role", "admin"]
        made = subprocess.run(command, env=environment, check=True, timeout=PATIENCE, stdout=subprocess.PIPE, text=True)
        (draft / "token").write_text(made.stdout.strip())
        # Another test process may have been first; its folder is as good.
        with suppress(OSError):
            draft.rename(kept)
    return kept


class _Warm:
    """A process with our libraries, and ``more``, loaded that forks for every command; see ``tests/warm.py``."""

    def __init__(self, more: tuple[str, ...]) -> None:
        self._address = str(Path(tempfile.mkdtemp(prefix="stepwell-warm-")) / "socket")
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "warm.py", self._address, *more],
            env=_environment(),
            # it ends when this end of the pipe closes
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def run(
        self, words: list[str], *, folder: Path, environment: dict[str, str], given: str | None
    ) -> subprocess.CompletedProcess[str]:
        request = json.dumps({"words": words, "folder": str(folder), "environment": environment})
        with socket.socket(socket.AF_UNIX) as line, ExitStack() as stack:
            source, output, errors = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
            source.write(given or "")
            source.seek(0)
            line.settimeout(PATIENCE)
            line.connect(self._address)
            socket.send_fds(line, [request.encode()], [source.fileno(), output.fileno(), errors.fileno()])
            try:
                code = int(line.recv(16))
            except TimeoutError:
                code = None
            output.seek(0)
            errors.seek(0)
            done = subprocess.CompletedProcess(words, code or 0, output.read(), errors.read())
        assert code is not None, f"not finished after {PATIENCE} s\n{told(done)}"
        return done


_making_warm = threading.Lock()
_warm_with = cache(_Warm)


def _warm(libraries: tuple[str, ...]) -> _Warm:
    # One of each, though several threads ask at once.
    with _making_warm:
        return _warm_with(libraries)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    # a deprecated call in an example is ours to correct
    return {**kept, "PYTHONPATH": str(ROOT / "apps"), "PYTHONWARNINGS": "default"}


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A data folder, and a folder to work in, that nothing else uses."""

    folder: Path
    #: False for tests that ask what a process has loaded
    warm: bool = True
    #: libraries that the commands load and that are slow to load
    libraries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        home = self.folder / "home"
        if not home.exists():
            shutil.copytree(prepared_home(), home)

    @property
    def token(self) -> str:
        """An admin's token for the API."""
        kept = self.folder / "home" / "token"
        if kept.is_file():
            return kept.read_text()
        made = self.stepwell("tokens", "create", "tests", "--role", "admin")
        assert made.returncode == 0, told(made)
        return made.stdout.strip()

    @property
    def environment(self) -> dict[str, str]:
        return {
            **_environment(),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "STEPWELL_HOME": str(self.folder / "home"),
        }

    def python(self, *words: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python with ``words``, which begin with a file, ``-m`` or ``-c``; ``given`` is its standard input."""
        if not self.warm:
            return finish(self.start_python(*words), given=given)
        return _warm(self.libraries).run(
            list(map(str, words)), folder=self.folder, environment=self.environment, given=given
        )

    def start_python(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start what ``python`` runs, and do not wait for it."""
        pipe = subprocess.PIPE
        command = [sys.executable, *map(str, words)]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def stepwell(self, *words: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "stepwell", *words, given=given)

    def runs(self) -> list[dict[str, Any]]:
        """Return what ``stepwell runs --json`` prints, newest first."""
        done = self.stepwell("runs", "--json")
        assert done.returncode == 0, told(done)
        runs: list[dict[str, Any]] = json.loads(done.stdout)
        return runs


def finish(process: subprocess.Popen[str], *, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Wait for a started command; one that does not end is killed and fails the test."""
    try:
        output, errors = process.communicate(given, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"not finished after {PATIENCE} s\n{output}\n{errors}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return all a command printed, for the message of a failed test."""
    return f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"


def only(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    assert len(items) == 1, items
    return items[0]
