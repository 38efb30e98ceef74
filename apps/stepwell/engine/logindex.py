"""Writing the index beside a log: offset and levels of every 256 lines, the time of every write, where it folds.

Readers can do without it: a full disk only makes them slower.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from stepwell.engine import loglines
from stepwell.engine.loglines import BLOCK_LINES, BLOCK_RECORD, TIME_RECORD
from stepwell.engine.logmarks import MARK_RECORD, Mark, MarkScanner

_NO_LEVELS = (0,) * len(loglines.LEVELS)


class LogIndex:
    """Counts the lines of a log as it grows."""

    def __init__(self, path: Path) -> None:
        #: lines that ended
        self.n_complete = 0
        #: the line that has no end yet
        self.partial = b""
        self._levels = _NO_LEVELS
        self._scanner = MarkScanner()
        self._times = _RecordFile(loglines.times_path(path))
        self._blocks = _RecordFile(loglines.blocks_path(path))
        self._marks = _RecordFile(loglines.marks_path(path))

    @property
    def n_lines(self) -> int:
        return self.n_complete + bool(self.partial)

    def add(self, chunk: bytes, start: int) -> None:
        """Note what was stored at ``start`` just now."""
        self._times.add(TIME_RECORD.pack(start, time.time()))
        self._times.store()
        self.count(chunk, start)
        self._blocks.store()
        self._marks.store()

    def count(self, chunk: bytes, start: int) -> None:
        """Count the lines that end in what stands at ``start``."""
        text = self.partial + chunk
        text_start = start - len(self.partial)
        ends = loglines.line_ends(text)
        position = first = 0
        for last in range(BLOCK_LINES - 1 - self.n_complete % BLOCK_LINES, len(ends), BLOCK_LINES):
            end = ends[last]
            self._count_levels(text[position:end], position, ends[first : last + 1])
            self._blocks.add(BLOCK_RECORD.pack(text_start + end, loglines.pack_levels(self._levels)))
            self._levels, position, first = _NO_LEVELS, end, last + 1
        complete = ends[-1] if ends else 0
        self._count_levels(text[position:complete], position, ends[first:])
        for mark in self._scanner.scan(text[:complete], ends, self.n_complete + 1):
            self._marks.add(MARK_RECORD.pack(*mark))
        self.n_complete += len(ends)
        self.partial = text[complete:]

    def resume(self, n_blocks: int, marks: Iterable[Mark]) -> None:
        """Go on behind ``n_blocks`` full blocks; the lines after them are counted anew."""
        self.n_complete = n_blocks * BLOCK_LINES
        self._times.trim(TIME_RECORD.size)
        self._blocks.trim(BLOCK_RECORD.size, at_most=n_blocks)
        n_marks = sum(mark.line <= self.n_complete for mark in marks)
        self._marks.trim(MARK_RECORD.size, at_most=n_marks)
        self._scanner = MarkScanner(n_marks)

    def close(self) -> None:
        for file in (self._times, self._blocks, self._marks):
            file.close()

    def _count_levels(self, text: bytes, start: int, ends: list[int]) -> None:
        if not loglines.names_level(text):
            return
        begins = [start, *ends[:-1]]
        lines = (text[begin - start : end - start] for begin, end in zip(begins, ends, strict=True))
        counts = loglines.count_levels(lines)
        self._levels = tuple(before + count for before, count in zip(self._levels, counts, strict=True))


class _RecordFile:
    """A file of records that stand by position: one that could not be stored is tried again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._waiting = b""

    def add(self, record: bytes) -> None:
        self._waiting += record

    def store(self) -> None:
        if not self._waiting:
            return
        with contextlib.suppress(OSError):
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._waiting = self._waiting[os.write(self._descriptor, self._waiting) :]

    def trim(self, record_bytes: int, *, at_most: int | None = None) -> None:
        """Cut the file down to whole records."""
        with contextlib.suppress(FileNotFoundError):
            count = self._path.stat().st_size // record_bytes
            os.truncate(self._path, record_bytes * (count if at_most is None else min(count, at_most)))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
