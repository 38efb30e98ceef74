"""What ``make test`` says at its end is what happened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import everything
from tests.everything import Result


def test_summary_names_what_failed_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    results = [
        Result(name="lint", passed=True, seconds=1.0),
        Result(name="types", passed=False, seconds=2.0),
        Result(name="all other tests", passed=True, seconds=60.0, note="7 passed, 1 skipped"),
    ]
    code = everything.summarise(results, missing="browser tests skipped: no browser", seconds=63)

    assert code == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "Failed: types in 63 s."
    assert "browser tests skipped: no browser" in printed
    assert any(line.startswith("FAILED  types") for line in printed)


def test_summary_of_success_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert everything.summarise([Result(name="lint", passed=True, seconds=1.0)], missing="", seconds=1) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Everything passed in 1 s."


def test_failing_check_shows_what_it_printed(capsys: pytest.CaptureFixture[str]) -> None:
    result = everything.check("lint", [sys.executable, "-c", "print('line 3 is too long'); raise SystemExit(1)"])

    assert not result.passed
    assert "line 3 is too long" in capsys.readouterr().out


def test_tests_are_counted_from_pytests_record(tmp_path: Path) -> None:
    record = tmp_path / "tests.xml"
    record.write_text('<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>')

    assert everything.count(record) == "5 passed, 2 failed, 2 skipped"


def test_no_record_is_no_success(tmp_path: Path) -> None:
    assert everything.count(tmp_path / "missing.xml") == "no test ran"
