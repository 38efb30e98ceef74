"""What a step reaches through decorators, partials and tables counts for its cache key, and nothing else does."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

import stepwell

SCRIPT = """
import functools
from stepwell import pipeline, step


def mid(x):
    return x + 1


def plain(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args) * 1

    return inner


def times(n):
    def decorate(function):
        @functools.wraps(function)
        def inner(*args):
            return function(*args) * n

        return inner

    return decorate


@plain
def wrapped(x):
    return x


@times(2)
def doubled(x):
    return x


class Tool:
    @plain
    def run(self, x):
        return x


@functools.lru_cache
def remembered(x):
    return mid(x)


def made(n, function):
    def inner(x):
        return function(x) + n

    return inner


inner_one, inner_two = made(1, abs), made(20, round)
PART = functools.partial(mid, 3)
TABLE = {"one": {"f": lambda x: x + 4, "weight": 5}, "two": [mid, (abs, 6)]}
SEEN = set()


@step
def by_wrapper(x: int) -> int:
    return wrapped(x)


@step
def by_argument(x: int) -> int:
    return doubled(x)


@step
def by_method(x: int) -> int:
    return Tool().run(x)


@step
def by_memory(x: int) -> int:
    return remembered(x)


@step
def by_closures(x: int) -> int:
    return inner_one(x) + inner_two(x)


@step
def by_partial(x: int) -> int:
    return PART()


@step
def by_table(x: int) -> int:
    return TABLE["one"]["f"](x)


@step
@times(7)
def below_the_decorator(x: int) -> int:
    return x


@step
def by_nothing(x: int) -> int:
    SEEN.add(x)
    return x


@pipeline
def p():
    for one in (by_wrapper, by_argument, by_method, by_memory, by_closures, by_partial, by_table,
                below_the_decorator, by_nothing):
        one(1)
"""
_number = itertools.count()


def parts(folder: Path, old: str = "", new: str = "") -> dict[str, dict[str, str]]:
    """Return the parts of every step's key, of the script with one change."""
    assert not old or old in SCRIPT
    name = f"reaching_{next(_number)}"
    (folder / f"{name}.py").write_text(SCRIPT.replace(old, new, 1) if old else SCRIPT)
    importlib.invalidate_caches()
    planned = importlib.import_module(name).p.trace()[0].steps
    return {one.name: {part.replace(name, "m"): found for part, found in one.cache_parts.items()} for one in planned}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ("function(*args) * 1", "function(*args) * 2", {"by_wrapper", "by_method"}),
        ("@plain\ndef wrapped(x):\n    return x", "@plain\ndef wrapped(x):\n    return +x", {"by_wrapper"}),
        ("@times(2)", "@times(3)", {"by_argument"}),
        ("function(*args) * n", "n * function(*args)", {"by_argument", "below_the_decorator"}),
        ("@times(7)", "@times(8)", {"below_the_decorator"}),
        ("    def run(self, x):\n        return x", "    def run(self, x):\n        return -x", {"by_method"}),
        ("return x + 1", "return x + 2", {"by_memory", "by_partial", "by_table"}),
        ("made(1, abs)", "made(2, abs)", {"by_closures"}),
        ("made(20, round)", "made(21, round)", {"by_closures"}),
        ("return function(x) + n", "return n + function(x)", {"by_closures"}),
        ("partial(mid, 3)", "partial(mid, 4)", {"by_partial"}),
        ("x + 4", "x + 5", {"by_table"}),
        ('"weight": 5', '"weight": 6', {"by_table"}),
        ("(abs, 6)", "(abs, 7)", {"by_table"}),
        ("SEEN = set()", "SEEN = set()\n\n\ndef nobody():\n    pass\n", set()),
    ],
)
def test_a_change_counts_for_the_steps_that_reach_it(folder: Path, old: str, new: str, steps: set[str]) -> None:
    before, after = parts(folder), parts(folder, old, new)

    assert {name for name in before if before[name] != after[name]} == steps


def test_processes_with_different_hash_seeds_agree(tmp_path: Path) -> None:
    (tmp_path / "reaching.py").write_text(SCRIPT)
    code = "import json, reaching; print(json.dumps([one.cache_parts for one in reaching.p.trace()[0].steps]))"
    root = str(Path(stepwell.__file__).parents[1])
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": f"{root}:{tmp_path}", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(found) == 1
    assert any("helper reaching.wrapped" in one for one in json.loads(found.pop()))
