"""Searching the log of an attempt in a process of its own, which is ended when it takes too long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import stepwell
from stepwell.engine.logsearch import BAD_PATTERN, LogQuery
from stepwell.errors import UsageError

#: seconds a search may take before what it found so far is the answer
SEARCH_SECONDS = 5
DOWNLOAD_SECONDS = 120
#: searches at the same time in one web process; others wait for their turn
_SEATS = threading.BoundedSemaphore(4)
_COMMAND = [sys.executable, "-P", "-m", "stepwell.engine.logsearch"]
_READ_BYTES = 256 * 1024
CUT_SHORT = b"[stepwell] Not all of the log was searched: it took too long.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The lines that match."""

    #: in order, at most a million of them
    numbers: array[int] = field(default_factory=lambda: array("I"))
    total: int = 0
    #: False when the time was over first
    is_complete: bool = True


def search(path: Path, query: LogQuery, *, first: int = 1, seconds: int | None = None) -> Found:
    """Return the lines of a log from line ``first`` on that match.

    Raises:
        UsageError: The regular expression is none.
    """
    if not path.is_file():
        return Found()
    seconds = seconds or SEARCH_SECONDS
    with _SEATS, _start(path, query, first=first, lines=False, seconds=seconds) as process:
        try:
            content, told = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            content, told = process.communicate()
    if process.returncode == BAD_PATTERN:
        raise _bad_pattern(query, told)
    numbers = array("I")
    numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    is_complete = process.returncode == 0
    return Found(numbers=numbers, total=int(told) if is_complete else len(numbers), is_complete=is_complete)


def matching_lines(path: Path, query: LogQuery) -> Iterator[bytes]:
    """Return the lines that match as they stand in the log, piece by piece; a last line says when the time was over.

    Raises:
        UsageError: The regular expression is none.
    """
    process = _start(path, query, first=1, lines=True, seconds=DOWNLOAD_SECONDS)
    # Read before anything is sent: a bad pattern is an answer of its own.
    begin = process.stdout.read1(_READ_BYTES) if process.stdout else b""
    if not begin and process.wait() == BAD_PATTERN:
        raise _bad_pattern(query, process.communicate()[1])
    return _rest(process, begin)


def _rest(process: subprocess.Popen[bytes], chunk: bytes) -> Iterator[bytes]:
    with process:
        try:
            while chunk:
                yield chunk
                chunk = process.stdout.read1(_READ_BYTES) if process.stdout else b""
            if process.wait() != 0:
                yield CUT_SHORT
        finally:
            process.kill()


def _start(path: Path, query: LogQuery, *, first: int, lines: bool, seconds: int) -> subprocess.Popen[bytes]:
    root = str(Path(stepwell.__file__).resolve().parent.parent)
    process = subprocess.Popen(
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Nothing of ours it could tell: neither keys nor addresses.
        env={"PYTHONPATH": root, "PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
    )
    asked = {"path": str(path), "query": asdict(query), "first": first, "lines": lines, "seconds": seconds}
    if process.stdin:
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
        process.stdin = None
    return process


def _bad_pattern(query: LogQuery, told: bytes) -> UsageError:
    reason = told.decode(errors="replace").splitlines()[-1:] or ["it cannot be read"]
    return UsageError(
        f"“{query.text[:80]}” is not a regular expression: {reason[0]}.",
        hint="Correct it, or switch the regular expression off to search for these words.",
    )
