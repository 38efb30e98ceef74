"""docs/security.md: each of the sixty rules is there, with tests that exist."""

from __future__ import annotations

import functools

import pytest

from tests.architecture import source
from tests.architecture.test_api_coverage import named_tests, names_in

RULES = [f"S{number:02}" for number in range(1, 61)]


@functools.cache
def rows() -> dict[str, str]:
    """Return what the page says: rule -> all that stands behind its number."""
    found: dict[str, str] = {}
    for line in (source.ROOT / "docs/security.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| S"):
            number, rest = line.strip("| ").split(" | ", 1)
            assert number not in found, f"two rows {number}"
            found[number] = rest
    return found


def test_every_rule_is_there_in_order() -> None:
    assert list(rows()) == RULES


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_says_what_is_done_and_names_tests_that_exist(rule: str) -> None:
    said, _, tests = rows()[rule].partition(" | ")
    named = named_tests(tests)

    assert said.endswith(".")
    assert named, "names no test"
    assert [test for test in named if test.split("::", 1)[1] not in names_in(test.split("::", 1)[0])] == []
    assert len(named) == tests.count("`") // 2, "something else than tests is named"
