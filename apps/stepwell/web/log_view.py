"""Windows of an attempt's log as safe lines of HTML."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.utils.safestring import SafeString

from stepwell.core.status import TERMINAL_ATTEMPT
from stepwell.engine.logfile import LogReader
from stepwell.runs.ansi import line_html
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt
from stepwell.web import present

#: lines in the panel of the run page, and on one page of the log
TAIL_LINES = 500
PAGE_LINES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWindow:
    """Some lines of one attempt's log."""

    attempt_id: str
    lines: list[SafeString]
    #: number of the first line shown; 0 when there are none
    first: int
    n_lines: int
    size: str
    #: the offset a live page goes on from: the last line's start, which may not be whole yet
    after: int
    #: more may come, and the window ends where the log does
    is_live: bool
    dropped: str

    @property
    def latest(self) -> int:
        """Number of the last line shown."""
        return self.first + len(self.lines) - 1 if self.lines else 0


def tail(run_id: UUID, attempt: Attempt, *, count: int = TAIL_LINES) -> LogWindow:
    """Return the last ``count`` lines of an attempt's log."""
    return window(run_id, attempt, first=None, count=count)


def window(run_id: UUID, attempt: Attempt, *, first: int | None, count: int = PAGE_LINES) -> LogWindow:
    """Return ``count`` lines from line ``first`` (from 1) on; None is the end of the log."""
    path = log_path(run_id, attempt.id)
    found, n_lines, n_bytes = [], 0, 0
    if path.is_file():
        reader = LogReader(path)
        n_lines, n_bytes = reader.n_lines, reader.n_bytes
        begin = max(1, n_lines - count + 1 if first is None else first)
        found = reader.lines(begin, count)
    latest = found[-1] if found else None
    reaches_end = latest is None or latest.number >= n_lines
    return LogWindow(
        attempt_id=str(attempt.id),
        lines=[line_html(line.number, line.level, line.text) for line in found],
        first=found[0].number if found else 0,
        n_lines=n_lines,
        size=present.size(n_bytes),
        after=latest.offset if latest else 0,
        is_live=reaches_end and not (attempt.log_sealed or _is_over(attempt, path_exists=path.is_file())),
        dropped=present.size(attempt.log_dropped_bytes) if attempt.log_dropped_bytes else "",
    )


def _is_over(attempt: Attempt, *, path_exists: bool) -> bool:
    # Hooks may still write after the outcome is stored; without a file nothing ever ran.
    return attempt.status in TERMINAL_ATTEMPT and not path_exists
