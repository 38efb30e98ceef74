"""The examples, run as their first lines say: as scripts without a server, and by ``stepwell run``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.commands import ROOT, Instance, only, told

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
#: parameters that take the waiting out, which is there for people to watch
QUICK = {"train_classifier": ["--param", "pause=0"], "flaky_download": ["--param", "failures=0"]}


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(folder=tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_as_a_script_without_a_server(path: Path, instance: Instance) -> None:
    done = instance.python(path)

    assert done.returncode == 0, told(done)
    run = only(instance.runs())
    assert (run["pipeline"], run["status"]) == (path.stem, "completed")
    assert run["started_at"] < run["ended_at"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_takes_a_parameter_on_the_command_line(path: Path, instance: Instance) -> None:
    done = instance.stepwell("run", path, "--param", "test_size=0.3", *QUICK.get(path.stem, []))

    assert done.returncode == 0, told(done)
    assert only(instance.runs())["status"] == "completed"
    assert {
        "train_classifier": "540 to test on",
        "flaky_download": "53 of 178 rows",
        "nightly_report": "53 of 178 samples",
    }[path.stem] in done.stdout, told(done)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 120
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")


def test_download_succeeds_at_the_third_attempt_and_tells_once(instance: Instance) -> None:
    done = instance.python(ROOT / "examples/flaky_download.py")

    requests = [line for line in done.stdout.splitlines() if line.startswith("request ")]
    assert requests == [f"request {n} for wine_data.csv" for n in (1, 2, 3)], told(done)
    assert done.stdout.count("the file is here") == 1
    assert "gave up" not in done.stdout


def test_download_that_never_works_fails_the_run_and_tells_once(instance: Instance) -> None:
    done = instance.stepwell("run", ROOT / "examples/flaky_download.py", "--param", "failures=9")

    assert done.returncode == 1, told(done)
    assert only(instance.runs())["status"] == "failed"
    assert done.stdout.count("gave up: The mirror did not answer request 4.") == 1
    assert "the file is here" not in done.stdout


def test_signed_report_is_refused_before_a_run_exists_while_there_is_no_key(instance: Instance) -> None:
    done = instance.stepwell("run", ROOT / "examples/nightly_report.py", "--param", "sign=true")

    assert done.returncode != 0
    assert "report-signing" in done.stderr, told(done)
    assert instance.runs() == []


def test_report_is_signed_with_the_key_and_the_key_is_not_in_the_log(instance: Instance) -> None:
    key = "correct-horse-battery-staple"
    made = instance.stepwell("secrets", "create", "report-signing", "SIGNING_KEY", "--stdin", given=f"{key}\n")
    assert made.returncode == 0, told(made)

    done = instance.stepwell("run", ROOT / "examples/nightly_report.py", "--param", "sign=true")

    assert done.returncode == 0, told(done)
    run = only(instance.runs())
    assert run["status"] == "completed"
    log = instance.stepwell("logs", run["id"])
    assert "signing with ***" in log.stdout, told(log)
    assert key not in done.stdout + done.stderr + log.stdout
