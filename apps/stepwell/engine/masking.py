"""Keeping secrets out of everything a step says: its output, its exceptions, the frames it sends."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import quote, quote_plus

from stepwell.engine.redaction import NOTHING, Hidden, Redactor

REPLACEMENT = "***"
#: shorter pieces would mask ordinary text
MIN_BYTES = 4
_WIDE = 8
_NARROW = 4
#: so few patterns are found faster one by one than through a word filter
_FEW = 12
_MIME_LINE_BYTES = 57

Span = tuple[int, int]


class Masker:
    """Replaces secret values, and their usual encodings, in a byte stream and in text. Not for several threads.

    The stream may be cut anywhere: the output is the same as if it had come in one piece. ``hidden`` is what else is
    hidden, in the stream and in what ``said`` is asked for.
    """

    def __init__(self, values: Iterable[str], *, hidden: Hidden = NOTHING) -> None:
        patterns = {pattern for value in values for pattern in encodings_of(value)}
        self._patterns = sorted(patterns, key=lambda pattern: (-len(pattern), pattern))
        self._held = b""
        #: how many of the held bytes a replacement already written stands for
        self._covered = 0
        self._redactor = Redactor(hidden) if hidden else None
        if self._patterns:
            self._filters = _make_filters(self._patterns)
            self._prefixes = _Prefixes(self._patterns)

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be shown so far; a tail that may be the start of a secret is kept back."""
        shown = chunk
        if self._patterns:
            buffer = self._held + chunk
            shown = self._emit(buffer, self._prefixes.tail_start(buffer))
        return self._redactor.feed(shown) if self._redactor else shown

    def flush(self) -> bytes:
        """Return what was kept back: the stream has ended."""
        shown = self._emit(self._held, len(self._held)) if self._held else b""
        return self._redactor.feed(shown) + self._redactor.flush() if self._redactor else shown

    def text(self, text: str) -> str:
        """Return a whole text, masked."""
        if not self._patterns:
            return text
        buffer = text.encode("utf-8", "surrogatepass")
        spans = self._spans(buffer)
        return _cut(buffer, spans).decode("utf-8", "surrogatepass") if spans else text

    def said(self, text: str) -> str:
        """Return a text a person reads as part of what a step says, masked and with everything else hidden."""
        masked = self.text(text)
        return self._redactor.text(masked) if self._redactor else masked

    def value(self, value: Any) -> Any:
        """Return a JSON value with every text in it, keys too, masked."""
        if not self._patterns:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def _emit(self, buffer: bytes, end: int) -> bytes:
        """Return ``buffer`` masked up to ``end`` and hold the rest."""
        spans = self._spans(buffer)
        if not spans and not self._covered:
            self._held = buffer[end:]
            return buffer[:end]
        shown: list[bytes] = []
        position = self._covered
        for start, stop in spans:
            if start >= end and start >= position:
                break
            if start >= position:
                shown += (buffer[position:start], REPLACEMENT.encode())
            position = max(position, stop)
        shown.append(buffer[position:end])
        self._held = buffer[end:]
        self._covered = max(0, position - end)
        return b"".join(shown)

    def _spans(self, buffer: bytes) -> list[Span]:
        """Return where secrets are, in order; those that overlap are one."""
        candidates: set[bytes] = set()
        for find in self._filters:
            candidates.update(find.candidates(buffer))
        found = sorted(span for pattern in candidates for span in _occurrences(buffer, pattern))
        merged: list[Span] = []
        for start, stop in found:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
            else:
                merged.append((start, stop))
        return merged


def encodings_of(value: str) -> set[bytes]:
    """Return the byte strings that give a secret away: the value, its lines, and both in common encodings."""
    parts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    found = {
        encoded
        for part in parts
        if len(part.encode("utf-8", "surrogatepass")) >= MIN_BYTES
        for encoded in _encode(part)
    }
    return {pattern for pattern in found if len(pattern) >= MIN_BYTES}


def _encode(text: str) -> Iterator[bytes]:
    raw = text.encode("utf-8", "surrogatepass")
    yield raw
    yield raw.replace(b"\n", b"\r\n")
    yield from _base64_forms(raw)
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for quoted in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield quoted.encode()
    for escaped in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        inner = escaped[1:-1]
        yield inner.encode("utf-8", "surrogatepass")
        yield inner.replace("/", "\\/").encode("utf-8", "surrogatepass")
    yield repr(text)[1:-1].encode("utf-8", "surrogatepass")
    yield repr(raw)[2:-1].encode()


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw)
        for offset in range(3):
            # Only the characters that do not depend on what stands before and after the secret.
            first, last = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
            yield encode(b"\0" * offset + raw)[first:last]
    if len(raw) > _MIME_LINE_BYTES:
        yield from base64.encodebytes(raw).splitlines()


def _occurrences(buffer: bytes, pattern: bytes) -> Iterator[Span]:
    position = buffer.find(pattern)
    while position >= 0:
        yield position, position + len(pattern)
        position = buffer.find(pattern, position + 1)


def _cut(buffer: bytes, spans: list[Span]) -> bytes:
    shown: list[bytes] = []
    position = 0
    for start, stop in spans:
        shown += (buffer[position:start], REPLACEMENT.encode())
        position = stop
    return b"".join([*shown, buffer[position:]])


class _FindEach:
    """Few or very short patterns: look for each."""

    def __init__(self, patterns: list[bytes]) -> None:
        self._patterns = patterns

    def candidates(self, buffer: bytes) -> list[bytes]:
        return [pattern for pattern in self._patterns if pattern in buffer]


class _FindWords:
    """Many patterns: look at every aligned machine word of the buffer once, whatever their number.

    A pattern of at least ``2 * width - 1`` bytes covers an aligned word wherever it stands, and that word is one of
    the pattern's first ``width`` substrings of that width.
    """

    def __init__(self, patterns: list[bytes], width: int) -> None:
        self._width = width
        self._format: Literal["Q", "I"] = "Q" if width == _WIDE else "I"
        self._by_word: dict[int, set[bytes]] = {}
        for pattern in patterns:
            for start in range(width):
                word = memoryview(pattern[start : start + width]).cast(self._format)[0]
                self._by_word.setdefault(word, set()).add(pattern)
        self._words = frozenset(self._by_word)

    def candidates(self, buffer: bytes) -> set[bytes]:
        words = memoryview(buffer)[: len(buffer) // self._width * self._width].cast(self._format)
        found: set[bytes] = set()
        if not self._words.isdisjoint(words):
            for word in self._words.intersection(words):
                found |= self._by_word[word]
        return found


def _make_filters(patterns: list[bytes]) -> list[_FindEach | _FindWords]:
    groups: dict[int, list[bytes]] = {_WIDE: [], _NARROW: [], 0: []}
    for pattern in patterns:
        width = next((width for width in (_WIDE, _NARROW) if len(pattern) >= 2 * width - 1), 0)
        groups[width].append(pattern)
    filters: list[_FindEach | _FindWords] = []
    for width, group in groups.items():
        if group:
            filters.append(_FindWords(group, width) if width and len(group) > _FEW else _FindEach(group))
    return filters


class _Prefixes:
    """Finds the longest tail of a buffer that a pattern starts with but does not end in."""

    def __init__(self, patterns: list[bytes]) -> None:
        self._short = [frozenset(pattern[:size] for pattern in patterns) for size in range(MIN_BYTES)]
        self._by_head: dict[bytes, list[bytes]] = {}
        for pattern in patterns:
            self._by_head.setdefault(pattern[:MIN_BYTES], []).append(pattern)
        self._reach = {head: max(map(len, group)) - 1 for head, group in self._by_head.items()}

    def tail_start(self, buffer: bytes) -> int:
        size = len(buffer)
        start = size
        for length in range(1, min(MIN_BYTES, size + 1)):
            if buffer[size - length :] in self._short[length]:
                start = size - length
        for head, reach in self._reach.items():
            position = buffer.find(head, max(0, size - reach))
            while 0 <= position < start:
                tail = buffer[position:]
                if any(len(pattern) > len(tail) and pattern.startswith(tail) for pattern in self._by_head[head]):
                    start = position
                    break
                position = buffer.find(head, position + 1)
        return start
