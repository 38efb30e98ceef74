"""``stepwell run`` and ``stepwell register``, as a user calls them."""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
from contextlib import closing

import pytest

from tests.commands import Instance, told

SOURCE = """
import sys

from stepwell import pipeline, step

assert "django" not in sys.modules


@step
def load(rows: int) -> list[int]:
    print("loading", rows, "with django" if "django" in sys.modules else "without django")
    return list(range(rows))


@step
def total(numbers: list[int], fail: bool) -> int:
    if fail:
        raise ValueError("told to fail")
    return sum(numbers)


@pipeline
def tiny(rows: int = 3, fail: bool = False):
    total(load(rows), fail)


tiny()
if __name__ == "__main__":
    sys.exit("the main block has run")
"""
SECOND = """
@pipeline
def other(rows: int = 1):
    load(rows)
"""


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "tiny.py").write_text(SOURCE)
    return Instance(folder=tmp_path, warm=False)


def test_a_run_takes_parameters_and_is_in_the_list_afterwards(instance):
    done = instance.stepwell("run", "tiny.py", "--param", "rows=5", "-p", "fail=off")
    (run,) = instance.runs()

    assert done.returncode == 0, told(done)
    assert "loading 5 without django" in done.stdout
    assert (run["pipeline"], run["status"], run["trigger"]) == ("tiny", "completed", "script")


def test_a_failed_run_is_exit_code_1_and_said_in_one_line(instance):
    done = instance.stepwell("run", "tiny.py", "-p", "fail=true")
    last = done.stderr.splitlines()[-1]

    assert done.returncode == 1, told(done)
    assert last.startswith("stepwell: run 1 did not complete.")
    assert "told to fail" in last
    assert "cli_run" not in done.stderr
    assert instance.runs()[0]["status"] == "failed"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["missing.py"], 2, "missing.py is not a Python file."),
        (["tiny.py", "tinny"], 2, "no pipeline “tinny”. Did you mean tiny?"),
        (["tiny.py", "-p", "row=1"], 2, "no parameter “row”. Did you mean rows?"),
        (["tiny.py", "-p", "rows=many"], 2, "rows: “many” is not a whole number."),
        (["broken.py"], 1, "broken.py cannot be imported: ModuleNotFoundError: No module named 'nothing' (line 2)."),
        (["syntax.py"], 1, "syntax.py cannot be imported: SyntaxError: invalid syntax (line 1)."),
        (["quits.py"], 1, "quits.py cannot be imported: SystemExit: 3 (line 1)."),
        (["empty.py"], 2, "empty.py defines no pipeline."),
    ],
)
def test_what_cannot_be_run_is_said_without_a_traceback(instance, words, code, said):
    files = {"broken": "\nimport nothing\n", "syntax": "def f(:\n", "quits": "raise SystemExit(3)\n", "empty": ""}
    for name, content in files.items():
        (instance.folder / f"{name}.py").write_text(content)
    done = instance.stepwell("run", *words)

    assert done.returncode == code, told(done)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_of_several_pipelines_one_has_to_be_named(instance):
    (instance.folder / "two.py").write_text(SOURCE + SECOND)
    unnamed = instance.stepwell("run", "two.py")
    named = instance.stepwell("run", "two.py", "other", "-p", "rows=2")

    assert unnamed.returncode == 2
    assert "Name one: tiny, other." in unnamed.stderr
    assert named.returncode == 0, told(named)
    assert [run["pipeline"] for run in instance.runs()] == ["other"]


def test_register_goes_on_behind_a_file_that_cannot_be_read(instance):
    (instance.folder / "broken.py").write_text("import nothing\n")
    done = instance.stepwell("register", "broken.py", "tiny.py")

    assert done.returncode == 1
    assert "broken.py cannot be imported" in done.stderr
    assert done.stdout == "tiny: code 1, from tiny.py\n"
    assert json.loads(instance.stepwell("runs", "--json").stdout) == []


def test_code_is_registered_by_whoever_gives_the_command_or_runs_the_script(instance):
    (instance.folder / "own.py").write_text(SOURCE.replace("tiny", "own").partition("\nif __name__")[0])
    for done in (instance.stepwell("register", "tiny.py"), instance.python("own.py")):
        assert done.returncode == 0, told(done)

    with closing(sqlite3.connect(instance.folder / "home" / "stepwell.db")) as database:
        stored = database.execute("SELECT registered_by FROM pipelines_snapshot").fetchall()
    person = pwd.getpwuid(os.getuid()).pw_name
    assert stored == [(f"{person} (command line)",)] * 2


def test_what_the_settings_hide_is_in_no_log_and_no_error(instance):
    (instance.folder / "says.py").write_text(
        "from stepwell import pipeline, step\n\n\n@step\ndef say() -> None:\n    print('api_key=abc' + '123, fine')\n"
        "    raise ValueError('api_key=abc' + '123')\n\n\n@pipeline\ndef says():\n    say()\n"
    )
    change = "change_settings(values={'redaction_patterns': 'api_key'}, by=None)"
    code = f"from stepwell.accounts.actions import change_settings; {change}"
    assert instance.stepwell("manage", "shell", "-v0", "-c", code).returncode == 0

    done = instance.stepwell("run", "says.py")

    assert "api_key=***, fine" in done.stdout
    assert "abc123" not in done.stdout
    stored = [path.read_bytes() for path in (instance.folder / "home").rglob("*") if path.is_file()]
    assert not any(b"abc123" in content for content in stored)
