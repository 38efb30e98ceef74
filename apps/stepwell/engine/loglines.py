"""What a line of a log is, which level it has, and the index beside the bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

#: a longer line counts as several
MAX_LINE_BYTES = 16 * 1024
BLOCK_LINES = 256
#: one record per full block of lines: where it ends, its level bits
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


def layout_path(path: Path) -> Path:
    return path.with_name(path.name + ".layout")


def segment_path(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number:08d}")


def level_of(line: bytes) -> str:
    """Return the level a line names, empty for none."""
    return next((level for word, level in _WORDS if word in line), "")


def level_bits(text: bytes) -> int:
    """Return ``LEVEL_BITS`` of the words anywhere in a piece of log."""
    bits = 0
    for word, level in _WORDS:
        if word in text:
            bits |= LEVEL_BITS[level]
    return bits


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
