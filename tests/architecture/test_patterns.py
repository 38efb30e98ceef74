"""Regular expressions of the product take linear time, whatever they are given."""

from __future__ import annotations

import ast
import itertools
import re
import time
from re import _constants, _parser

import pytest

from tests.architecture import source

_LONG = 100_000
#: beginnings that a pattern with two ways to match one thing runs through again and again
_PIECES = ["a", "0", " ", "-", "_", ".", "/", "\\", "=", ":", "{", "}", "[", "\x1b[", "\n", "a1", "a ", "0.", "--", "é"]
_ENDS = ["!", "\0", ""]
_BOUND_SECONDS = 0.25


def patterns() -> list[tuple[str, re.Pattern]]:
    found = []
    for name, path in source.modules().items():
        for node in ast.walk(source.tree(path)):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile"):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant):
                flags = eval(ast.unparse(node.args[1]), {"re": re}) if len(node.args) > 1 else 0
                found.append((f"{name}:{node.lineno}", re.compile(first.value, flags)))
    return found


def test_the_patterns_are_found() -> None:
    assert len(patterns()) > 15


def own_words(pattern: re.Pattern) -> tuple[str, list[str]]:
    """Return what every match of a pattern begins with, and the characters it names."""
    parsed = list(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
    prefix = ""
    for kind, value in parsed:
        is_repeated = kind is _constants.MAX_REPEAT and value[2][0][0] is _constants.LITERAL
        if kind is not _constants.LITERAL and not is_repeated:
            break
        prefix += chr(value[2][0][1]) * value[0] if is_repeated else chr(value)
    return prefix, sorted({chr(int(code)) for code in re.findall(r"\(LITERAL, (\d+)\)", repr(parsed))})[:16]


def check(name: str, pattern: re.Pattern, text: str) -> None:
    given = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    for act in (pattern.match, pattern.fullmatch):
        began = time.process_time()
        act(given)
        assert time.process_time() - began < _BOUND_SECONDS, (name, text[:20], text[-5:])


@pytest.mark.parametrize(("name", "pattern"), patterns(), ids=[name for name, _ in patterns()])
def test_no_text_makes_a_pattern_slow(name: str, pattern: re.Pattern) -> None:
    prefix, own = own_words(pattern)
    for begin, pieces, longest in (("", _PIECES, _LONG), (prefix, [*_PIECES, *own], _LONG // 10)):
        for piece, end in itertools.product(pieces, _ENDS):
            # The short one first: what takes exponential time would never end with the long one.
            for length in (24, longest):
                check(name, pattern, begin + piece * (length // len(piece)) + end)


@pytest.mark.parametrize("text", [r"(?:h+t*)+x", r"https?://(?:[^\s<>]+)+x", r"(a|a)+$"])
def test_a_pattern_that_backtracks_is_seen(text: str) -> None:
    with pytest.raises(AssertionError):
        test_no_text_makes_a_pattern_slow("made up", re.compile(text))
