"""Reading the log of an attempt, by offset or by line, also while it grows."""

from __future__ import annotations

import contextlib
import os
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepwell.engine import loglines
from stepwell.engine.loglines import BLOCK_LINES, BLOCK_RECORD, LAYOUT_RECORD, TIME_RECORD, Layout, LogLine
from stepwell.engine.logmarks import MARK_RECORD, Mark

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogSpan:
    """Bytes ``start`` to ``end`` of a log. For a gap, ``content`` is a line that says how much was dropped there."""

    start: int
    end: int
    content: bytes
    is_gap: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """One line as it stands in the files, or a gap."""

    start: int
    end: int
    content: bytes
    is_gap: bool = False
    is_complete: bool = True


class LogReader:
    """A log; one that does not exist yet is empty. Offsets count what was dropped too. Not for several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._layout: Layout | None = None
        self._segment: int | None = None
        self._blocks: list[tuple[int, int]] = []
        self._times: list[tuple[int, float]] = []
        #: lines before this offset are counted: (offset, lines)
        self._counted = (0, 0)

    @property
    def n_bytes(self) -> int:
        """Bytes written so far. Costs a look at the size of the files."""
        size = _size(self.path)
        layout = self.layout()
        if layout is None or (latest := self._latest_segment()) is None:
            return size
        return layout.segment_start(latest) + _size(loglines.segment_path(self.path, latest))

    @property
    def n_lines(self) -> int:
        """Lines written so far; one that has no end yet counts."""
        blocks = self.blocks()
        position, count = self._counted
        if blocks and blocks[-1][0] > position:
            position, count = blocks[-1][0], len(blocks) * BLOCK_LINES
        has_rest = False
        for piece in self._pieces(position):
            if piece.is_gap:
                continue
            has_rest = not piece.is_complete
            if piece.is_complete:
                position, count = piece.end, count + 1
        self._counted = (position, count)
        return count + has_rest

    @property
    def dropped_bytes(self) -> int:
        start, end = self._gap()
        return end - start

    def span(self, offset: int, limit: int) -> LogSpan:
        """Return what stands at ``offset``: up to ``limit`` bytes but not past a gap's start, or the gap it lies in."""
        while True:
            gap_start, gap_end = self._gap()
            if gap_start <= offset < gap_end:
                return LogSpan(gap_start, gap_end, f"\n{_gap_text(gap_end - gap_start)}\n".encode(), is_gap=True)
            try:
                content = self._read_stored(offset, limit)
            except FileNotFoundError:
                # The segment was dropped since the look at the gap.
                self._segment = None
                if self._latest_segment() is None:
                    return LogSpan(offset, offset, b"")
                continue
            return LogSpan(offset, offset + len(content), content)

    def read(self, offset: int, limit: int) -> bytes:
        """Return up to ``limit`` bytes at ``offset``; in a gap, the line that says so. ``span`` tells which it is."""
        return self.span(offset, limit).content

    def lines(self, first: int, count: int) -> list[LogLine]:
        """Return up to ``count`` lines from number ``first`` on (1 is the first); a gap shows as one line."""
        first = max(1, first)
        shown: list[LogLine] = []
        for number, piece in self._numbered((first - 1) // BLOCK_LINES):
            if len(shown) >= count:
                break
            if number >= first or piece.is_gap:
                shown.append(self._line(number, piece))
        return shown

    def line_at(self, offset: int) -> int:
        """Return the number of the line that holds the byte at ``offset``, or of the latest line."""
        latest = 1
        for number, piece in self._numbered(bisect_right(self.blocks(), offset, key=_block_end)):
            latest = number
            if offset < piece.end:
                break
        return latest

    def times_span(self) -> tuple[float, float] | None:
        """Return when the first and the last bytes were stored; None when nothing was."""
        times = self._load_times()
        return (times[0][1], times[-1][1]) if times else None

    def line_at_time(self, at: float, *, is_after: bool = False) -> int:
        """Return the number of the first line stored at ``at`` or later (``is_after``: only later)."""
        times = self._load_times()
        index = (bisect_right if is_after else bisect_left)(times, at, key=lambda record: record[1])
        if index == len(times):
            return self.n_lines + 1
        offset = times[index][0]
        number = self.line_at(offset)
        found = [line for line in self.lines(number, 1) if line.number == number]
        # A line belongs to the write that began it.
        return number + 1 if found and found[0].offset < offset else number

    def next_line(self, level: str, *, after: int = 0) -> LogLine | None:
        """Return the first line after line ``after`` that has the level, or None."""
        for block in range(after // BLOCK_LINES, len(self.blocks()) + 1):
            for line in self._lines_of(block, level):
                if line.number > after:
                    return line
        return None

    def last_line(self, level: str) -> LogLine | None:
        """Return the last line that has the level, or None."""
        for block in range(len(self.blocks()), -1, -1):
            if lines := self._lines_of(block, level):
                return lines[-1]
        return None

    def level_counts(self) -> dict[str, int]:
        """Return how many lines have each level; what was dropped counts too."""
        blocks = self.blocks()
        total = [0] * len(loglines.LEVELS)
        for block in range(len(blocks) + 1):
            counts = loglines.unpack_levels(blocks[block][1]) if block < len(blocks) else None
            if counts is None:
                counts = loglines.count_levels(piece.content for _, piece in self._block(block) if not piece.is_gap)
            for index, count in enumerate(counts):
                total[index] += count
        return dict(zip(loglines.LEVELS, total, strict=True))

    def marks(self) -> list[Mark]:
        """Return where the log can be folded, in the order it was found."""
        return [Mark(*record) for record in _new_records(loglines.marks_path(self.path), MARK_RECORD, 0)]

    def gap_lines(self) -> tuple[int, int] | None:
        """Return the number a gap is shown under and the first number behind it, or None without a gap."""
        start, end = self._gap()
        if start == end:
            return None
        block = bisect_right(self.blocks(), start, key=_block_end)
        number = next(number for number, piece in self._numbered(block) if piece.is_gap)
        return number, max(number + 1, self.number_after_gap(end))

    def blocks(self) -> list[tuple[int, int]]:
        """Return end and packed levels of every full block of lines."""
        known = len(self._blocks)
        self._blocks += (
            (end, bits) for end, bits in _new_records(loglines.blocks_path(self.path), BLOCK_RECORD, known)
        )
        return self._blocks

    def layout(self) -> Layout | None:
        """Return how the bytes lie in files, or None while there is only the first."""
        if self._layout is None:
            with contextlib.suppress(OSError, struct.error):
                self._layout = Layout(*LAYOUT_RECORD.unpack(loglines.layout_path(self.path).read_bytes()))
        return self._layout

    def _block(self, block: int) -> Iterator[tuple[int, _Piece]]:
        """Yield the lines of one block; the last one is not full."""
        blocks = self.blocks()
        end = blocks[block][0] if block < len(blocks) else None
        for number, piece in self._numbered(block):
            if end is not None and piece.start >= end:
                return
            yield number, piece

    def _lines_of(self, block: int, level: str) -> list[LogLine]:
        blocks = self.blocks()
        if block < len(blocks) and not blocks[block][1] & loglines.LEVEL_BITS[level]:
            return []
        pieces = [found for found in self._block(block) if not found[1].is_gap]
        return [self._line(number, piece) for number, piece in pieces if loglines.level_of(piece.content) == level]

    def _numbered(self, block: int) -> Iterator[tuple[int, _Piece]]:
        blocks = self.blocks()
        block = min(block, len(blocks))
        number = block * BLOCK_LINES + 1
        position = blocks[block - 1][0] if block else 0
        for piece in self._pieces(position):
            # A block that begins in a gap: the gap has its number from the lines before it.
            at_gap = self.gap_lines() if piece.is_gap and piece.start < position else None
            yield at_gap[0] if at_gap else number, piece
            number = max(number, self.number_after_gap(piece.end)) if piece.is_gap else number + 1

    def number_after_gap(self, offset: int) -> int:
        """Return the number of the first line behind a gap that ends at ``offset``.

        Lines in a gap cannot be counted, so count back from the end of the block that reaches out of it.
        """
        blocks = self.blocks()
        block = bisect_right(blocks, offset, key=_block_end)
        if block == len(blocks):
            return block * BLOCK_LINES + 1
        count = 0
        for piece in self._pieces(offset):
            if piece.is_gap or piece.start >= blocks[block][0]:
                break
            count += 1
        return (block + 1) * BLOCK_LINES - count + 1

    def _pieces(self, position: int) -> Iterator[_Piece]:
        rest, start = b"", position
        while (span := self.span(position, _CHUNK_BYTES)).content:
            position = span.end
            if span.is_gap:
                if rest:
                    yield _Piece(start, span.start, rest)
                yield _Piece(span.start, span.end, span.content, is_gap=True)
                rest, start = b"", span.end
                continue
            text = rest + span.content
            begin = 0
            for end in loglines.line_ends(text):
                yield _Piece(start + begin, start + end, text[begin:end])
                begin = end
            rest, start = text[begin:], start + begin
        if rest:
            yield _Piece(start, position, rest, is_complete=False)

    def _line(self, number: int, piece: _Piece) -> LogLine:
        level = "warning" if piece.is_gap else loglines.level_of(piece.content)
        text = _gap_text(piece.end - piece.start) if piece.is_gap else loglines.show(piece.content)
        return LogLine(number=number, offset=piece.start, at=self._time_at(piece.start), level=level, text=text)

    def _time_at(self, offset: int) -> float | None:
        if not self._times or self._times[-1][0] <= offset:
            self._load_times()
        index = bisect_right(self._times, offset, key=lambda record: record[0])
        return self._times[index - 1][1] if index else None

    def _load_times(self) -> list[tuple[int, float]]:
        known = len(self._times)
        self._times += ((start, at) for start, at in _new_records(loglines.times_path(self.path), TIME_RECORD, known))
        return self._times

    def _gap(self) -> tuple[int, int]:
        layout = self.layout()
        if layout is None or (latest := self._latest_segment()) is None:
            return 0, 0
        return layout.head_bytes, layout.segment_start(layout.first_segment(latest))

    def _latest_segment(self) -> int | None:
        if self._segment is None or not loglines.segment_path(self.path, self._segment).exists():
            self._segment = _find_latest_segment(self.path)
        while self._segment is not None and loglines.segment_path(self.path, self._segment + 1).exists():
            self._segment += 1
        return self._segment

    def _read_stored(self, offset: int, limit: int) -> bytes:
        layout = self.layout()
        if layout is None or offset < layout.head_bytes:
            with contextlib.suppress(FileNotFoundError):
                return _read_at(self.path, offset, limit)
            return b""
        number, inside = divmod(offset - layout.head_bytes, layout.segment_bytes)
        latest = self._latest_segment()
        if latest is None or number > latest:
            return b""
        return _read_at(loglines.segment_path(self.path, number), inside, limit)


def _block_end(block: tuple[int, int]) -> int:
    return block[0]


def _gap_text(count: int) -> str:
    return f"… {count:,} bytes dropped here …"


def _find_latest_segment(path: Path) -> int | None:
    prefix = f"{path.name}."
    try:
        names = [name.removeprefix(prefix) for name in os.listdir(path.parent) if name.startswith(prefix)]
    except FileNotFoundError:
        return None
    return max((int(name) for name in names if name.isdigit()), default=None)


def _new_records(path: Path, record: struct.Struct, known: int) -> Iterator[tuple[Any, ...]]:
    try:
        content = _read_at(path, known * record.size, -1)
    except FileNotFoundError:
        content = b""
    # The writer may be in the middle of a record.
    return record.iter_unpack(content[: len(content) - len(content) % record.size])


def _read_at(path: Path, offset: int, limit: int) -> bytes:
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        return file.read(limit) or b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
