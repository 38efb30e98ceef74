"""docs/api-coverage.md: each row of the reference and of our semantics is there, with tests that exist."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from tests.architecture import source

PAGE = source.ROOT / "docs/api-coverage.md"

OPTIONS = [
    "name",
    "enable_cache",
    "enable_artifact_metadata",
    "enable_artifact_visualization",
    "enable_step_logs",
    "experiment_tracker",
    "step_operator",
    "parameters",
    "output_materializers",
    "environment",
    "secrets",
    "settings",
    "extra",
    "on_failure",
    "on_success",
    "model",
    "retry",
    "cache_policy",
    "runtime",
    "heartbeat_healthy_threshold",
    "group",
]
#: the rows by section, in the order of the reference and of semantics.md
ROWS: dict[str, list[str]] = {
    "Creating steps": ["@step", "class MyStep(BaseStep)", "from steps import BaseStep", "BaseStep is abstract"],
    "Initialization parameters": OPTIONS,
    "entrypoint": ["*args", "**kwargs", "return", "the decorated function becomes the entrypoint"],
    "configure": [*OPTIONS, "merge", "return"],
    "with_options": [*OPTIONS, "merge", "return"],
    "call_entrypoint": ["*args, **kwargs", "return"],
    "Dynamic pipelines": [
        "submit",
        "submit: id",
        "submit: after",
        "submit: return",
        "map",
        "map: after",
        "map: return",
        "product",
        "product: after",
        "product: return",
    ],
    "Properties": ["name", "enable_cache", "configuration", "source_code", "docstring"],
    "Step hooks": ["on_failure(exception)", "on_success()"],
    "Examples": [
        "@step",
        "subclass",
        "configure",
        "with_options",
        "submit",
        "map",
        "product",
        "complete",
        "complete: with_options",
        "hooks",
    ],
    "Semantics: public names": ["names of stepwell", "import paths"],
    "Semantics 1: defining": [f"1.{number}" for number in range(1, 12)],
    "Semantics 2: calling": [f"2.{number}" for number in range(1, 8)],
    "Semantics 3: outputs": [f"3.{number}" for number in range(1, 6)],
    "Semantics 4: caching": [f"4.{number}" for number in range(1, 5)],
    "Semantics 5: retry, timeout, hooks": [f"5.{number}" for number in range(1, 6)],
    "Semantics 6: failure and modes": [f"6.{number}" for number in range(1, 4)],
    "Semantics 8: around them": [f"8.{number}" for number in range(1, 12)],
}


@functools.cache
def written() -> dict[str, dict[str, str]]:
    """Return what the page says: section -> row -> all that stands after the row's name."""
    sections: dict[str, dict[str, str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = sections.setdefault(line[3:].strip(), {})
        elif line.startswith("| ") and not line.startswith(("| Row", "| ---")):
            name, rest = line.strip("| ").split(" | ", 1)
            assert name.strip("`") not in section, f"two rows {name}"
            section[name.strip("`")] = rest
    return sections


@functools.cache
def names_in(path: str) -> frozenset[str]:
    """Return the tests of a file as pytest names them, ``Class::test`` for those in classes."""
    file = source.ROOT / path
    if not file.is_file():
        return frozenset()
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return frozenset(name for name in found if name.rsplit("::")[-1].startswith("test_"))


def named_tests(row: str) -> list[str]:
    return re.findall(r"`(tests/[\w/]+\.py::\w+(?:::\w+)?)`", row)


def test_the_page_has_the_sections_of_the_reference_in_its_order() -> None:
    assert list(written()) == list(ROWS)


@pytest.mark.parametrize("section", ROWS)
def test_every_row_is_there_and_no_other(section: str) -> None:
    assert list(written()[section]) == ROWS[section]


@pytest.mark.parametrize("section", ROWS)
def test_every_row_names_tests_that_exist(section: str) -> None:
    wrong = {}
    for row, text in written()[section].items():
        tests = named_tests(text)
        missing = [test for test in tests if test.split("::", 1)[1] not in names_in(test.split("::", 1)[0])]
        if missing or not tests:
            wrong[row] = missing or "no test"

    assert not wrong
