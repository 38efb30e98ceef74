"""Finding lines in a log: words or a regular expression, levels, who wrote them. Runs as a process of its own.

``python -m stepwell.engine.logsearch`` reads one JSON object and writes the numbers of the lines that match, or the
lines themselves. A process can be ended: a regular expression of a user may take longer than anyone wants to wait.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepwell.engine.loglines import OUR_PREFIX, level_of, names_level
from stepwell.engine.logpieces import Piece, pieces
from stepwell.engine.logreader import LogReader

#: numbers of lines that are written; more are only counted
MAX_NUMBERS = 1_000_000
#: exit code for a pattern that is none
BAD_PATTERN = 3
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_OURS = OUR_PREFIX.encode()

#: returns the indexes of a piece's lines that match, in order
Test = Callable[[Piece], Iterable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines are meant; empty fields mean all of them."""

    text: str = ""
    #: ``text`` is a regular expression of Python
    is_pattern: bool = False
    #: capital letters matter
    is_exact: bool = False
    levels: tuple[str, ...] = ()
    #: ``step``, ``stepwell`` or empty
    source: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.levels or self.source)


def find(
    reader: LogReader, query: LogQuery, *, first: int = 1, until: float = float("inf")
) -> Iterator[tuple[Piece, list[int]]]:
    """Yield pieces with lines that match, from line ``first`` on, and the indexes of these lines.

    Raises:
        re.error: The pattern is none.
        TimeoutError: The monotonic clock went past ``until``.
    """
    tests = _tests(query)
    for piece in pieces(reader, first, levels=query.levels):
        if time.monotonic() > until:
            raise TimeoutError
        wanted: list[int] | None = None
        for test in tests:
            hits = test(piece)
            wanted = list(hits) if wanted is None else sorted(set(wanted).intersection(hits))
            if not wanted:
                break
        begin = first - piece.number
        if wanted := [index for index in wanted or () if index >= begin]:
            yield piece, wanted


def _tests(query: LogQuery) -> list[Test]:
    tests: list[Test] = []
    if query.text:
        tests.append(_pattern(query) if query.is_pattern else _words(query))
    if query.levels:
        tests.append(lambda piece: _of_level(piece, query.levels))
    if query.source:
        tests.append(lambda piece: _of_source(piece, is_ours=query.source == "stepwell"))
    return tests


def _words(query: LogQuery) -> Test:
    if not query.is_exact and not query.text.isascii():
        folded = query.text.casefold()
        return lambda piece: _each(piece, lambda line: folded in line.casefold())
    needle = query.text.encode("utf-8", "replace")
    needle = needle if query.is_exact else needle.lower()

    def match(piece: Piece) -> list[int]:
        if b"\x1b" in piece.text:
            plain = map(_plain, piece.lines())
            return [i for i, line in enumerate(plain) if needle in (line if query.is_exact else line.lower())]
        return _find_all(piece, piece.text if query.is_exact else piece.text.lower(), needle)

    return match


def _find_all(piece: Piece, text: bytes, needle: bytes) -> list[int]:
    found: list[int] = []
    index = position = 0
    while (at := text.find(needle, position)) >= 0:
        if piece.is_even:
            index += text.count(b"\n", position, at)
            end = text.find(b"\n", at) + 1
        else:
            index = bisect_left(piece.ends, at + 1)
            end = piece.ends[index]
        if at + len(needle) <= end:
            found.append(index)
            index, position = index + 1, end
        else:
            # It reaches over the end of a line that was cut for its length.
            position = at + 1
    return found


def _pattern(query: LogQuery) -> Test:
    search = re.compile(query.text, 0 if query.is_exact else re.IGNORECASE).search
    return lambda piece: _each(piece, search)


def _each(piece: Piece, test: Callable[[str], Any]) -> list[int]:
    if piece.is_even and b"\x1b" not in piece.text and b"\r" not in piece.text:
        texts = piece.text.decode("utf-8", "replace").split("\n")
        # What follows the last line feed is no line.
        del texts[-1]
        return [index for index, text in enumerate(texts) if test(text)]
    plain = (_plain(line).rstrip(b"\r\n").decode("utf-8", "replace") for line in piece.lines())
    return [index for index, line in enumerate(plain) if test(line)]


def _plain(line: bytes) -> bytes:
    return _ESCAPES.sub(b"", line) if b"\x1b" in line else line


def _of_level(piece: Piece, levels: Iterable[str]) -> list[int]:
    if not names_level(piece.text):
        return []
    return [index for index, line in enumerate(piece.lines()) if level_of(line) in levels]


def _of_source(piece: Piece, *, is_ours: bool) -> Iterable[int]:
    if _OURS not in piece.text:
        return () if is_ours else range(piece.n_lines)
    return [index for index, line in enumerate(piece.lines()) if line.startswith(_OURS) == is_ours]


def main() -> int:
    """Answer one question from stdin on stdout; stderr ends with how many lines matched."""
    asked: dict[str, Any] = json.load(sys.stdin)
    seconds = int(asked["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    query = LogQuery(**{**asked["query"], "levels": tuple(asked["query"]["levels"])})
    total = 0
    try:
        for piece, indexes in find(LogReader(Path(asked["path"])), query, first=asked["first"]):
            if asked["lines"]:
                content = b"".join(map(piece.line, indexes))
            else:
                numbers = (piece.number + index for index in indexes[: max(0, MAX_NUMBERS - total)])
                content = array("I", numbers).tobytes()
            total += len(indexes)
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
    except re.error as error:
        sys.stderr.write(str(error))
        return BAD_PATTERN
    except BrokenPipeError:
        return 0
    sys.stderr.write(str(total))
    return 0


if __name__ == "__main__":
    sys.exit(main())
