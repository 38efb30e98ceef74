"""Where a log can be folded: groups that programs mark, and tracebacks. Found as it is written, kept beside it.

Groups begin as CI systems know them: ``--- `` is closed, ``~~~ `` closed and quiet, ``+++ `` open, ``^^^ +++`` opens
the group it stands in; and ``::group::`` with ``::endgroup::``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import NamedTuple

#: one record per mark: its line, its kind, and for a traceback the last line that folds away
MARK_RECORD = struct.Struct("<QQQ")
#: a log that marks more is not folded further
MAX_MARKS = 4000

CLOSED, QUIET, OPEN, REOPEN, END, TRACEBACK = 1, 2, 3, 4, 5, 6
_BEGINNINGS = (
    (b"--- ", CLOSED),
    (b"~~~ ", QUIET),
    (b"^^^ +++", REOPEN),
    (b"+++ ", OPEN),
    (b"::group::", CLOSED),
    (b"::endgroup::", END),
)
_TRACEBACK = b"Traceback (most recent call last):"
#: a traceback with fewer lines above its last frame stays as it is
_MIN_HIDDEN = 4


class Mark(NamedTuple):
    line: int
    kind: int
    #: of a traceback: the last line above its last frame
    until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Lines ``first`` to ``last`` can be folded away below line ``header``."""

    header: int
    first: int
    last: int
    is_open: bool
    #: ``group`` or ``traceback``
    kind: str


class MarkScanner:
    """Finds marks in lines that come in pieces."""

    def __init__(self, n_found: int = 0) -> None:
        self._n_found = n_found
        self._header = 0
        self._frame = 0

    def scan(self, text: bytes, ends: Sequence[int], number: int) -> list[Mark]:
        """Return the marks of the lines that end at ``ends`` in ``text``; the first of them is line ``number``."""
        if self._n_found >= MAX_MARKS or not (self._header or _may_hold_marks(text)):
            return []
        found: list[Mark] = []
        start = 0
        for offset, end in enumerate(ends):
            self._look(text[start:end], number + offset, found)
            start = end
        found = found[: MAX_MARKS - self._n_found]
        self._n_found += len(found)
        return found

    def _look(self, line: bytes, number: int, found: list[Mark]) -> None:
        if self._header:
            if line.startswith(b"  "):
                if line.startswith(b"  File "):
                    self._frame = number
                return
            if self._frame - self._header > _MIN_HIDDEN:
                found.append(Mark(self._header, TRACEBACK, self._frame - 1))
            self._header = 0
        if line.startswith(_TRACEBACK):
            self._header, self._frame = number, 0
        elif kind := next((kind for word, kind in _BEGINNINGS if line.startswith(word)), 0):
            found.append(Mark(number, kind))


def _may_hold_marks(text: bytes) -> bool:
    return _TRACEBACK in text or any(word in text for word, _ in _BEGINNINGS)


def find_folds(marks: Iterable[Mark], *, n_lines: int, error_line: int = 0) -> list[Fold]:
    """Return the folds of a log in the order of their lines.

    Args:
        marks: As they were written.
        n_lines: Lines the log has.
        error_line: A line whose group is opened: where it broke; 0 for none.
    """
    known = sorted(set(marks))
    tracebacks = [
        Fold(header=mark.line, first=mark.line + 1, last=mark.until, is_open=False, kind="traceback")
        for mark in known
        if mark.kind == TRACEBACK
    ]
    groups = _groups(_without_diffs([mark for mark in known if mark.kind != TRACEBACK]), n_lines)
    if error_line:
        groups = [_opened(group) if group.header <= error_line <= group.last else group for group in groups]
    if groups and not any(group.is_open for group in groups):
        groups[-1] = _opened(groups[-1])
    return sorted([*tracebacks, *groups], key=lambda fold: (fold.first, -fold.last))


def _groups(marks: list[Mark], n_lines: int) -> list[Fold]:
    bounds = [mark for mark in marks if mark.kind != REOPEN]
    reopened = [mark.line for mark in marks if mark.kind == REOPEN]
    groups: list[Fold] = []
    for mark, follower in zip_longest(bounds, bounds[1:]):
        last = follower.line - 1 if follower else n_lines
        if mark.kind == END or last <= mark.line:
            continue
        is_open = mark.kind == OPEN or any(mark.line < line <= last for line in reopened)
        groups.append(Fold(header=mark.line, first=mark.line + 1, last=last, is_open=is_open, kind="group"))
    return groups


def _without_diffs(marks: list[Mark]) -> list[Mark]:
    """Leave out the heads of diffs: ``--- old`` directly above ``+++ new``."""
    heads = {
        line
        for mark, follower in pairwise(marks)
        if (mark.kind, follower.kind) == (CLOSED, OPEN) and follower.line == mark.line + 1
        for line in (mark.line, follower.line)
    }
    return [mark for mark in marks if mark.line not in heads]


def _opened(fold: Fold) -> Fold:
    return replace(fold, is_open=True)
