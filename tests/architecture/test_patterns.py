"""Regular expressions of the product take linear time, whatever they are given."""

from __future__ import annotations

import ast
import re
import time

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


@pytest.mark.parametrize(("name", "pattern"), patterns(), ids=[name for name, _ in patterns()])
def test_no_text_makes_a_pattern_slow(name: str, pattern: re.Pattern) -> None:
    for piece in _PIECES:
        for end in _ENDS:
            text = piece * (_LONG // len(piece)) + end
            given = text.encode() if isinstance(pattern.pattern, bytes) else text
            for act in (pattern.match, pattern.fullmatch):
                began = time.process_time()
                act(given)
                assert time.process_time() - began < _BOUND_SECONDS, (name, piece, end)
