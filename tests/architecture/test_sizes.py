"""Walls for length: a module 400 lines, a function 50. The lists of exceptions may only shrink."""

from __future__ import annotations

import ast

from tests.architecture import source

MODULE_WALL = 400
FUNCTION_WALL = 50
STYLESHEET_WALL = 250
SCRIPT_WALL = 200
TEMPLATE_WALL = 150

#: path -> lines today. Shorten the file, then the number here; never the other way.
LONG_FILES: dict[str, int] = {}
#: "path:function" -> lines today
LONG_FUNCTIONS: dict[str, int] = {}


def test_modules_stay_under_the_wall() -> None:
    lengths = file_lengths("apps/**/*.py", "tests/**/*.py", "examples/*.py")
    hold_the_wall({path: n for path, n in lengths.items() if "/migrations/" not in path}, MODULE_WALL, LONG_FILES)


def test_functions_stay_under_the_wall() -> None:
    lengths = {
        f"{source.shown(path)}:{name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in source.modules().values()
        for name, node in source.functions(path)
    }
    hold_the_wall(lengths, FUNCTION_WALL, LONG_FUNCTIONS)


def test_stylesheets_scripts_and_templates_stay_under_the_wall() -> None:
    hold_the_wall(file_lengths("static/css/**/*.css"), STYLESHEET_WALL, {})
    hold_the_wall(file_lengths("static/js/**/*.js"), SCRIPT_WALL, {})
    hold_the_wall(file_lengths("templates/**/*.html"), TEMPLATE_WALL, {})


def test_every_module_says_what_it_owns() -> None:
    silent = [
        source.shown(path)
        for path in source.modules().values()
        if path.name != "apps.py" and source.tree(path).body and not ast.get_docstring(source.tree(path))
    ]

    assert not silent


def hold_the_wall(lengths: dict[str, int], wall: int, known: dict[str, int]) -> None:
    """Fail for what is over the wall and unknown, for what grew, and for an exception that is no longer needed."""
    long = {name: length for name, length in lengths.items() if length > wall}
    grown = {name: length for name, length in long.items() if length > known.get(name, wall)}
    stale = {name: known[name] for name in known if long.get(name) != known[name] and name not in grown}

    assert not grown, f"over {wall} lines: {grown}"
    assert not stale, f"shorter than their exception says, so change or remove it: {stale}"


def file_lengths(*patterns: str) -> dict[str, int]:
    paths = [path for pattern in patterns for path in source.ROOT.glob(pattern)]
    return {source.shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
