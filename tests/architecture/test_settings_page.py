"""Every environment variable the product reads is in docs/settings.md, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture import source

READERS = {"text", "flag", "number", "names", "networks", "secret", "one_of"}
#: read by the platform, not by us
FOREIGN = {"HOME", "PYTHONPATH", "PATH", "TMPDIR", "NO_COLOR", "TERM", "USER", "LOGNAME", "LANG", "COLUMNS"}
ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]+)`", re.MULTILINE)


def test_settings_page_lists_exactly_what_the_code_reads() -> None:
    read = {name for path in source.modules().values() for name in variables(source.tree(path))} - FOREIGN
    listed = set(ROW.findall((source.ROOT / "docs/settings.md").read_text(encoding="utf-8")))

    assert read - listed == set(), "read by the code, missing in docs/settings.md"
    assert listed - read == set(), "in docs/settings.md, read nowhere"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ('env.flag("A_FLAG")', "A_FLAG"),
        ('env.number("A_NUMBER", 5, low=1, high=2)', "A_NUMBER"),
        ('os.environ.get("PLAIN")', "PLAIN"),
        ('os.environ["INDEXED"]', "INDEXED"),
        ('os.getenv("GOT")', "GOT"),
    ],
)
def test_each_way_to_read_a_variable_is_seen(code: str, name: str) -> None:
    assert list(variables(ast.parse(code))) == [name]


def test_writing_a_variable_is_not_reading_it() -> None:
    assert not list(variables(ast.parse('os.environ["SET"] = "1"')))


def variables(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if (owner == "env" and node.func.attr in READERS) or (owner, node.func.attr) in {
                ("os.environ", "get"),
                ("os", "getenv"),
            }:
                yield from constant(node.args[:1])
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and ast.unparse(node.value) == "os.environ"
        ):
            yield from constant([node.slice])


def constant(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
