"""Hiding what an admin's patterns find in what steps print: values behind names, and what regular expressions match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from stepwell.core.repeats import check_repeats
from stepwell.errors import ConfigError

MOST_PATTERNS = 50
LONGEST_PATTERN = 200
REPLACEMENT = b"***"
#: a line that is longer is looked at in pieces of this size, each with the last bytes of the one before
_PIECE_BYTES = 4096
_OVERLAP_BYTES = 256
_NAME = re.compile(r"[A-Za-z0-9_.-]{3,64}")
_EXPRESSION = re.compile(r"/(.*)/(i?)")
_LINE = re.compile(rb"[^\r\n]+")
#: what stands behind a name: in quotes, or up to a blank or a comma, with the word of an HTTP header before it
_VALUE = (
    rb"""[\\"']{0,2}[ \t]{0,3}[:=]{1,2}[ \t]{0,3}"""
    rb"""(?:"((?:[^"\\\r\n]|\\.)+)|'((?:[^'\\\r\n]|\\.)+)|[\\"']{0,2}((?:(?:Bearer|Basic|Token)[ ])?[^\s"'\\,;&]+))"""
)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is hidden: lower-case names, one expression for what stands behind them, and expressions of their own."""

    names: tuple[bytes, ...]
    behind_names: re.Pattern[bytes] | None
    expressions: tuple[re.Pattern[bytes], ...]

    def __bool__(self) -> bool:
        return bool(self.names or self.expressions)


NOTHING = Hidden(names=(), behind_names=None, expressions=())


@lru_cache(maxsize=8)
def parse_patterns(text: str) -> Hidden:
    """Return the patterns of a text, one a line: ``api_key`` is a name, ``/AKIA[0-9A-Z]{16}/`` an expression.

    Raises:
        ConfigError: One does not do; names it and says why.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_PATTERNS:
        raise ConfigError(f"There are {len(lines)} patterns; at most {MOST_PATTERNS} do.")
    names = sorted({_name(line) for line in lines if not line.startswith("/")})
    expressions = tuple(_expression(line) for line in lines if line.startswith("/"))
    joined = b"|".join(re.escape(name) for name in names)
    behind = re.compile(rb"(?<![a-z0-9])(?:" + joined + rb")" + _VALUE, re.IGNORECASE) if names else None
    return Hidden(names=tuple(names), behind_names=behind, expressions=expressions)


class Redactor:
    """Hides what patterns find in a byte stream, line by line. Not for several threads.

    A line is kept back until it is whole. The stream may be cut anywhere: the output is the same.
    """

    def __init__(self, hidden: Hidden) -> None:
        self._hidden = hidden
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the whole lines so far; the beginning of another one is kept back."""
        if not self._hidden:
            return chunk
        buffer = self._held + chunk
        end = max(buffer.rfind(b"\n"), buffer.rfind(b"\r")) + 1
        shown = [self._hide(buffer[:end])] if end else []
        self._held = buffer[end:]
        while len(self._held) >= _PIECE_BYTES + _OVERLAP_BYTES:
            shown.append(self._piece())
        return b"".join(shown)

    def flush(self) -> bytes:
        """Return what was kept back: the stream has ended."""
        held, self._held = self._held, b""
        return self._hide(held)

    def text(self, text: str) -> str:
        """Return a whole text with what is found hidden."""
        if not self._hidden:
            return text
        return self._hide(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _hide(self, lines: bytes) -> bytes:
        return _cut(lines, self._spans(lines), len(lines))

    def _piece(self) -> bytes:
        """Return the next piece of a long line. What is found across its end is hidden whole."""
        piece = self._held[: _PIECE_BYTES + _OVERLAP_BYTES]
        spans = self._spans(piece)
        end = max([_PIECE_BYTES, *(stop for start, stop in spans if start < _PIECE_BYTES < stop)])
        self._held = self._held[end:]
        return _cut(piece, spans, end)

    def _spans(self, lines: bytes) -> list[Span]:
        spans: list[Span] = []
        if self._hidden.behind_names and self._has_name(lines):
            found = self._hidden.behind_names.finditer(lines)
            # The value is the last group that took part.
            spans += (match.span(match.lastindex or 0) for match in found)
        for expression in self._hidden.expressions:
            # One look at all lines is quick; only where that finds something each line is looked at on its own.
            if b"\r" in lines or expression.search(lines):
                spans += _each_line(expression, lines)
        return sorted(spans)

    def _has_name(self, lines: bytes) -> bool:
        lowered = lines.lower()
        return any(name in lowered for name in self._hidden.names)


def _each_line(expression: re.Pattern[bytes], lines: bytes) -> Iterator[Span]:
    for line in _LINE.finditer(lines):
        for match in expression.finditer(line[0]):
            if match[0]:
                yield match.start() + line.start(), match.end() + line.start()


def _cut(lines: bytes, spans: list[Span], end: int) -> bytes:
    shown: list[bytes] = []
    position = 0
    for start, stop in spans:
        if start >= end:
            break
        if start >= position:
            shown += (lines[position:start], REPLACEMENT)
        position = max(position, stop)
    shown.append(lines[position:end])
    return b"".join(shown)


def _name(line: str) -> bytes:
    if not _NAME.fullmatch(line):
        raise ConfigError(
            f"“{line[:80]}” is not a name.",
            hint="Write 3 to 64 letters, digits, _ . or -; or a regular expression between two slashes.",
        )
    return line.lower().encode()


def _expression(line: str) -> re.Pattern[bytes]:
    parts = _EXPRESSION.fullmatch(line)
    if parts is None or not parts[1]:
        raise ConfigError(f"“{line[:80]}” has no slash at its end.", hint="Write /AKIA[0-9A-Z]{16}/, for example.")
    if len(line) > LONGEST_PATTERN or not line.isascii():
        raise ConfigError(f"“{line[:80]}” is longer than {LONGEST_PATTERN} characters, or has some that are not ASCII.")
    try:
        check_repeats(parts[1])
        expression = re.compile(parts[1].encode(), re.MULTILINE | (re.IGNORECASE if parts[2] else 0))
    except (re.error, ConfigError) as exc:
        raise ConfigError(f"“{line[:80]}” cannot be used: {exc}") from None
    if any(match.end() == match.start() for text in (b"", b"a", b"- a b\n") for match in expression.finditer(text)):
        raise ConfigError(f"“{line[:80]}” also fits where nothing is.", hint="Let it ask for a character at least.")
    return expression
