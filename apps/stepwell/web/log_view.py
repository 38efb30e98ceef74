"""Windows of an attempt's log as safe lines of HTML, and what a page must know of the whole of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString

from stepwell.core.status import FAILED_ATTEMPT, TERMINAL_ATTEMPT, AttemptStatus
from stepwell.engine.logfile import LogReader
from stepwell.engine.loglines import LogLine
from stepwell.engine.logmarks import find_folds
from stepwell.runs.ansi import line_html
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt
from stepwell.web import present

#: lines rendered in the panel of the run page, on one page of the log, and on a page that leaves lines out
TAIL_LINES = 500
PAGE_LINES = 500
FILTERED_LINES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWindow:
    """Some lines of one attempt's log."""

    attempt_id: str
    lines: list[SafeString]
    #: number of the first line shown; 0 when there are none
    first: int
    #: number of the last line shown
    latest: int
    n_lines: int
    size: str
    dropped: str

    @property
    def length(self) -> str:
        return present.count(self.n_lines, "line")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The end of one attempt's log, and what a viewer needs to reach the rest."""

    window: LogWindow
    outline: dict[str, Any]
    is_growing: bool


def tail(run_id: UUID, attempt: Attempt) -> LogTail:
    """Return the end of an attempt's log."""
    return LogTail(
        # The outline first: a live page goes on from where it ends, and a line both have is shown once.
        outline=outline(run_id, attempt),
        window=window(run_id, attempt, first=None, count=TAIL_LINES),
        is_growing=may_grow(run_id, attempt),
    )


def window(run_id: UUID, attempt: Attempt, *, first: int | None, count: int = PAGE_LINES) -> LogWindow:
    """Return ``count`` lines from line ``first`` (from 1) on; None is the end of the log."""
    reader = LogReader(log_path(run_id, attempt.id))
    n_lines = reader.n_lines
    begin = max(1, n_lines - count + 1 if first is None else first)
    found = reader.lines(begin, count) if n_lines else []
    return _window(reader, attempt, found, n_lines)


def chosen(run_id: UUID, attempt: Attempt, numbers: Sequence[int]) -> LogWindow:
    """Return the lines with these numbers, in order."""
    reader = LogReader(log_path(run_id, attempt.id))
    return _window(reader, attempt, lines_at(reader, numbers), reader.n_lines)


def lines_at(reader: LogReader, numbers: Sequence[int]) -> list[LogLine]:
    """Return lines by their numbers; those that are not there are left out."""
    found: list[LogLine] = []
    start = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1:
            found += reader.lines(numbers[start], index - start)
            start = index
    wanted = set(numbers)
    return [line for line in found if line.number in wanted]


def html(lines: Iterable[LogLine]) -> list[SafeString]:
    """Return the element of each line."""
    return [line_html(line.number, line.level, line.text, at=line.at) for line in lines]


def outline(run_id: UUID, attempt: Attempt) -> dict[str, Any]:
    """Return what a viewer must know to show any part of a log: how long it is, what folds, which levels there are."""
    reader = LogReader(log_path(run_id, attempt.id))
    n_lines = reader.n_lines
    broke = attempt.status in FAILED_ATTEMPT or attempt.status == AttemptStatus.CRASHED
    error = reader.last_line("error") if broke else None
    folds = find_folds(reader.marks(), n_lines=n_lines, error_line=error.number if error else 0)
    latest = reader.lines(n_lines, 1) if n_lines else []
    return {
        "lines": n_lines,
        # The last line may not be whole yet: what follows begins with it.
        "after": latest[-1].offset if latest else 0,
        "levels": reader.level_counts(),
        "folds": [[fold.kind, fold.header, fold.first, fold.last, fold.is_open] for fold in folds],
        "gap": reader.gap_lines(),
    }


def _window(reader: LogReader, attempt: Attempt, found: list[LogLine], n_lines: int) -> LogWindow:
    return LogWindow(
        attempt_id=str(attempt.id),
        lines=html(found),
        first=found[0].number if found else 0,
        latest=found[-1].number if found else 0,
        n_lines=n_lines,
        size=present.size(reader.n_bytes),
        dropped=present.size(attempt.log_dropped_bytes) if attempt.log_dropped_bytes else "",
    )


def may_grow(run_id: UUID, attempt: Attempt) -> bool:
    """Return whether more lines may come."""
    if attempt.log_sealed:
        return False
    # Hooks may still write after the outcome is stored; without a file nothing ever ran.
    return attempt.status not in TERMINAL_ATTEMPT or log_path(run_id, attempt.id).is_file()
