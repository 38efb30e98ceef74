"""The examples, run as their first lines say: as scripts without a server, and by ``stepwell run``."""

from __future__ import annotations

import ast
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import ROOT, Instance, only, told

#: what the examples import
LEARNING = ("pandas", "sklearn.datasets", "sklearn.ensemble", "sklearn.metrics", "sklearn.model_selection")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
#: what each prints when it is given test_size=0.3
CHANGED = {
    "train_classifier": "540 to test on",
    "flaky_download": "53 of 178 rows",
    "nightly_report": "53 of 178 samples",
}
#: parameters that take the waiting out, which is there for people to watch
QUICK = {"train_classifier": ["--param", "pause=0"], "flaky_download": ["--param", "failures=0"], "nightly_report": []}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """An example that was run to its end, in an instance of its own."""

    instance: Instance
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Run all examples in all ways at once: mostly they wait."""
    commands: dict[str, list[str | Path]] = {f"script {path.stem}": [path] for path in EXAMPLES}
    for path in EXAMPLES:
        words = ["-m", "stepwell", "run", path, "--param", "test_size=0.3", *QUICK[path.stem]]
        commands[f"command {path.stem}"] = words
    download = ROOT / "examples/flaky_download.py"
    commands["never answered"] = ["-m", "stepwell", "run", download, "--param", "failures=9"]
    instances = {name: Instance(folder=tmp_path_factory.mktemp("instance"), libraries=LEARNING) for name in commands}
    with ThreadPoolExecutor(len(commands)) as pool:
        done = {name: pool.submit(instances[name].python, *words) for name, words in commands.items()}
    return {name: Ran(instance=instances[name], done=ended.result()) for name, ended in done.items()}


@pytest.mark.parametrize("name", CHANGED)
def test_example_runs_as_a_script_without_a_server(name: str, ran: dict[str, Ran]) -> None:
    example = ran[f"script {name}"]

    assert example.done.returncode == 0, told(example.done)
    run = only(example.instance.runs())
    assert (run["pipeline"], run["status"]) == (name, "completed")
    assert run["started_at"] < run["ended_at"]


@pytest.mark.parametrize("name", CHANGED)
def test_example_takes_a_parameter_on_the_command_line(name: str, ran: dict[str, Ran]) -> None:
    example = ran[f"command {name}"]

    assert example.done.returncode == 0, told(example.done)
    assert CHANGED[name] in example.done.stdout, told(example.done)
    assert only(example.instance.runs())["status"] == "completed"


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES} == set(CHANGED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 120
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")


def test_download_succeeds_at_the_third_attempt_and_tells_once(ran: dict[str, Ran]) -> None:
    printed = ran["script flaky_download"].done.stdout

    requests = [line for line in printed.splitlines() if line.startswith("request ")]
    assert requests == [f"request {n} for wine_data.csv" for n in (1, 2, 3)], printed
    assert printed.count("the file is here") == 1
    assert "gave up" not in printed


def test_download_that_never_works_fails_the_run_and_tells_once(ran: dict[str, Ran]) -> None:
    example = ran["never answered"]

    assert example.done.returncode == 1, told(example.done)
    assert only(example.instance.runs())["status"] == "failed"
    assert example.done.stdout.count("gave up: The mirror did not answer request 4.") == 1
    assert "the file is here" not in example.done.stdout


def test_signed_report_is_refused_before_a_run_exists_while_there_is_no_key(tmp_path: Path) -> None:
    instance = Instance(folder=tmp_path, libraries=LEARNING)
    done = instance.stepwell("run", ROOT / "examples/nightly_report.py", "--param", "sign=true")

    assert done.returncode != 0
    assert "report-signing" in done.stderr, told(done)
    assert instance.runs() == []


def test_report_is_signed_with_the_key_and_the_key_is_not_in_the_log(tmp_path: Path) -> None:
    instance = Instance(folder=tmp_path, libraries=LEARNING)
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
