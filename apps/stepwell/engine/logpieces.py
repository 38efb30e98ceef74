"""A log in pieces of whole lines, for what must look at all of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from stepwell.engine import loglines
from stepwell.engine.loglines import BLOCK_LINES
from stepwell.engine.logreader import LogReader

_PIECE_BYTES = 1024 * 1024


class Piece:
    """Consecutive lines; ``number`` is that of the first, ``n_lines`` is known without looking at them."""

    def __init__(self, number: int, text: bytes, n_lines: int | None = None) -> None:
        self.number = number
        self.text = text
        self._n_lines = n_lines

    @property
    def n_lines(self) -> int:
        return len(self.ends) if self._n_lines is None else self._n_lines

    @cached_property
    def ends(self) -> list[int]:
        """Where each line ends."""
        ends = loglines.line_ends(self.text)
        if not ends or ends[-1] < len(self.text):
            ends.append(len(self.text))
        return ends

    @cached_property
    def is_even(self) -> bool:
        """Whether lines end at line feeds only, and each does: none was cut for its length."""
        return self._n_lines is not None and self.text.count(b"\n") == self._n_lines

    def line(self, index: int) -> bytes:
        return self.text[self.ends[index - 1] if index else 0 : self.ends[index]]

    def lines(self) -> Iterator[bytes]:
        begin = 0
        for end in self.ends:
            yield self.text[begin:end]
            begin = end


def pieces(reader: LogReader, first: int = 1, *, levels: Sequence[str] = ()) -> Iterator[Piece]:
    """Yield the log from the block of line ``first`` on, about a MiB at a time, without blocks that lack ``levels``."""
    blocks = reader.blocks()
    size = reader.n_bytes
    wanted = sum(loglines.LEVEL_BITS[level] for level in levels)
    block = min((first - 1) // BLOCK_LINES, len(blocks))
    while block < len(blocks):
        if wanted and loglines.lacks(blocks[block][1], wanted):
            block += 1
            continue
        start = blocks[block - 1][0] if block else 0
        until = max(block + 1, bisect_right(blocks, start + _PIECE_BYTES, key=_end))
        if wanted:
            lacking = (at for at in range(block + 1, until) if loglines.lacks(blocks[at][1], wanted))
            until = next(lacking, until)
        yield from _between(reader, block, start, blocks[until - 1][0])
        block = until
    yield from _between(reader, block, blocks[-1][0] if blocks else 0, size)


def _between(reader: LogReader, block: int, start: int, end: int) -> Iterator[Piece]:
    blocks = reader.blocks()
    number, position, parts, begin = block * BLOCK_LINES + 1, start, [], start
    while position < end and (span := reader.span(position, end - position)).content:
        position = span.end
        if not span.is_gap:
            parts.append(span.content)
            continue
        if parts:
            yield (before := Piece(number, b"".join(parts)))
            number += before.n_lines
        number, parts, begin = max(number + 1, reader.number_after_gap(position)), [], position
    if parts:
        is_full = begin == start and position == end and block < len(blocks)
        last = bisect_right(blocks, end - 1, key=_end) + 1
        yield Piece(number, b"".join(parts), (last - block) * BLOCK_LINES if is_full else None)


def _end(block: tuple[int, int]) -> int:
    return block[0]
