"""The command line as a whole: light, helpful, with exit codes scripts can rely on."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import pytest

from stepwell.conf import cli
from stepwell.conf.cli_parser import make_parser
from stepwell.errors import Conflict, UsageError

HEAVY = ("django", "pydantic", "ninja", "huey", "uvicorn", "psutil", "pandas", "numpy")


def commands(parser, words=()):
    """Yield every command with its parser, nested ones included."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield (*words, name), inner
                yield from commands(inner, (*words, name))


COMMANDS = dict(commands(make_parser()))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_summary_and_an_example_that_parses(words):
    parser = COMMANDS[words]
    example = parser.epilog.removeprefix("example:\n  stepwell ").split(" < ")[0].split()

    assert parser.description[0].isupper()
    assert example[: len(words)] == list(words)
    if words[0] != "manage":
        assert make_parser().parse_args(example).handler


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_handler_exists(words):
    if words[0] != "manage":
        assert callable(cli._handler(COMMANDS[words].get_default("handler")))


def test_help_and_version_load_nothing_heavy():
    code = "import sys; from stepwell.conf.cli import main; {}; print(*sys.modules, file=sys.stderr)"
    for words in (["--help"], ["version"], ["runs", "--help"], ["up", "--port", "x"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(f"main({words!r})")],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env={**os.environ, "PYTHONPATH": "apps"},
        )
        loaded = {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}
        assert not loaded & set(HEAVY), words


def test_version_is_printed(capsys):
    assert cli.main(["version"]) == 0
    assert cli.main(["--version"]) == 0
    first, second = capsys.readouterr().out.splitlines()

    assert first == second
    assert first.startswith("stepwell 0.")


def test_without_a_command_help_is_printed(capsys):
    assert cli.main([]) == 0
    assert "stepwell up --examples examples" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["bogus"], ["up", "--port", "70000"], ["run"], ["runs", "show"], ["--nope"]])
def test_a_wrong_command_line_is_exit_code_2(words, capsys):
    assert cli.main(words) == 2
    assert "usage: stepwell" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("Bad.", hint="Do."), 2), (Conflict("Bad.", hint="Do."), 1), (KeyboardInterrupt(), 130)],
)
def test_errors_become_one_line_and_an_exit_code(error, code, monkeypatch, capsys):
    def fail(options):
        raise error

    monkeypatch.setattr(cli, "_handler", lambda address: fail)

    assert cli.main(["version"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err in ("stepwell: Bad. Do.\n", "\n")


def test_manage_passes_everything_to_django(capsys):
    assert cli.main(["manage", "migrate", "--help"]) == 0
    assert "Updates database schema" in capsys.readouterr().out
    assert cli.main(["manage", "no_such_command"]) == 1
