"""What a line of a log is, which level it has, and the index beside the bytes."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

#: a longer line counts as several
MAX_LINE_BYTES = 16 * 1024
BLOCK_LINES = 256
#: one record per full block of lines: where it ends, its levels as ``pack_levels`` has them
BLOCK_RECORD = struct.Struct("<QQ")
#: one record per write to the file: where it begins, seconds since 1970
TIME_RECORD = struct.Struct("<Qd")
#: written once a log outgrows its head: see ``Layout``
LAYOUT_RECORD = struct.Struct("<QQQ")

_ERROR, _WARNING, _INFO, _DEBUG = "error", "warning", "info", "debug"
_WORDS = (
    (b"ERROR", _ERROR),
    (b"CRITICAL", _ERROR),
    (b"Traceback", _ERROR),
    (b"WARN", _WARNING),
    (b"INFO", _INFO),
    (b"DEBUG", _DEBUG),
)
LEVEL_BITS = {_ERROR: 1, _WARNING: 2, _INFO: 4, _DEBUG: 8}
LEVELS = tuple(LEVEL_BITS)
#: begins the lines we write into a log ourselves
OUR_PREFIX = "[stepwell] "
# The last line of a traceback: ``ValueError: shapes differ``.
_RAISED = re.compile(rb"[A-Za-z_][\w.]*(?:Error|Exception|ExceptionGroup)(?::|\r?\n?$)")
_RAISED_WORDS = (b"Error", b"Exception")
# In a block's record the levels' bits come first, then this flag, then four counts of twelve bits.
_COUNTED = 1 << 7
_COUNT_BITS = 12
_COUNT_START = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line as shown. ``number`` counts from 1 over all that was written, what was dropped too."""

    number: int
    #: bytes before the line in what was written
    offset: int
    #: seconds since 1970 when it was stored, None when unknown
    at: float | None
    #: ``debug``, ``info``, ``warning``, ``error`` or empty
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the bytes of a log lie in files: a head, then segments of one size of which the latest ``segments`` stay."""

    head_bytes: int
    segment_bytes: int
    segments: int

    def pack(self) -> bytes:
        return LAYOUT_RECORD.pack(self.head_bytes, self.segment_bytes, self.segments)

    def first_segment(self, latest: int) -> int:
        """Return the oldest segment that is kept when ``latest`` is the newest."""
        return max(0, latest - self.segments + 1)

    @classmethod
    def for_cap(cls, cap_bytes: int) -> Layout:
        """The first quarter stays for good; the rest is a ring of six parts."""
        head = max(1, cap_bytes // 4)
        return cls(head, max(1, (cap_bytes - head) // 6), 6)

    def segment_start(self, number: int) -> int:
        return self.head_bytes + number * self.segment_bytes


def blocks_path(path: Path) -> Path:
    return path.with_name(path.name + ".blocks")


def times_path(path: Path) -> Path:
    return path.with_name(path.name + ".times")


def lacks(packed: int, bits: int) -> bool:
    """Return whether a block has no line of the levels ``bits``; False when it was not counted."""
    return bool(packed & _COUNTED) and not packed & bits


def marks_path(path: Path) -> Path:
    return path.with_name(path.name + ".marks")


def layout_path(path: Path) -> Path:
    return path.with_name(path.name + ".layout")


def segment_path(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number:08d}")


def level_of(line: bytes) -> str:
    """Return the level a line names, empty for none."""
    if any(word in line for word in _RAISED_WORDS) and _RAISED.match(line):
        return _ERROR
    return next((level for word, level in _WORDS if word in line), "")


def count_levels(lines: Iterable[bytes]) -> tuple[int, ...]:
    """Return how many lines have each of ``LEVELS``."""
    found = [level_of(line) for line in lines]
    return tuple(map(found.count, LEVELS))


def names_level(text: bytes) -> bool:
    """Return whether any line of a piece of log may have a level; quick, and never wrong about a no."""
    return any(word in text for word, _ in _WORDS) or any(word in text for word in _RAISED_WORDS)


def pack_levels(counts: Iterable[int]) -> int:
    """Return the counts of ``LEVELS`` in one block as a number."""
    packed = _COUNTED
    for index, count in enumerate(counts):
        packed |= count << (_COUNT_START + index * _COUNT_BITS) | (LEVEL_BITS[LEVELS[index]] if count else 0)
    return packed


def unpack_levels(packed: int) -> tuple[int, ...] | None:
    """Return the counts of ``LEVELS`` in a block; None when they were not counted as it was written."""
    if not packed & 0xF and not packed & _COUNTED:
        return (0,) * len(LEVELS)
    if not packed & _COUNTED:
        return None
    mask = (1 << _COUNT_BITS) - 1
    return tuple(packed >> (_COUNT_START + index * _COUNT_BITS) & mask for index in range(len(LEVELS)))


def line_ends(data: bytes) -> list[int]:
    """Return where each complete line of ``data`` ends; a line longer than ``MAX_LINE_BYTES`` is cut.

    ``data`` starts at a line's start; what follows the last end is a line not yet complete.
    """
    lengths = [len(line) + 1 for line in data.split(b"\n")]
    if max(lengths) <= MAX_LINE_BYTES:
        return list(accumulate(lengths[:-1]))
    ends: list[int] = []
    start = 0
    for length in lengths[:-1]:
        ends += range(start + MAX_LINE_BYTES, start + length, MAX_LINE_BYTES)
        start += length
        ends.append(start)
    ends += range(start + MAX_LINE_BYTES, len(data) + 1, MAX_LINE_BYTES)
    return ends


def show(line: bytes) -> str:
    """Return a line as text without its end; bytes that are not UTF-8, and NUL, become U+FFFD."""
    return line.rstrip(b"\r\n").decode("utf-8", "replace").replace("\0", "\ufffd")
