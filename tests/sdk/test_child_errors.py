"""What a step process tells of an exception."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest

from stepwell.sdk.materializers import pickled
from stepwell.sdk.steps import step
from tests.sdk.childkit import run_step


class Unlucky(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


class Unmakeable(Exception):
    def __new__(cls, text: str, *, key: int) -> Unmakeable:
        return super().__new__(cls, text)

    def __init__(self, text: str, *, key: int) -> None:
        super().__init__(text)


def test_an_exception_is_told_with_the_users_line_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @step
    def broken() -> int:
        try:
            return int("x")
        except ValueError as exc:
            raise Unlucky(1, 2) from exc

    frames = run_step(broken, tmp_path)
    error = frames.error
    lines = error["traceback"].splitlines()

    assert error["type"] == f"{__name__}.Unlucky"
    assert error["message"] == "1 and 2"
    assert error["retryable"] is True
    assert error["where"].endswith(", broken()")
    assert Path(__file__).name in error["where"]
    assert lines[0] == "Traceback (most recent call last):"
    assert f'File "{__file__}", line' in lines[1]
    assert "steprun.py" not in error["traceback"]
    assert "ValueError: invalid literal" in error["traceback"]
    assert error["traceback"] in capsys.readouterr().err


@pytest.mark.parametrize("raised", [SystemExit(3), SystemExit(), KeyboardInterrupt()])
def test_leaving_the_program_fails_the_step_for_good(raised: BaseException, tmp_path: Path) -> None:
    @step
    def leave() -> None:
        raise raised

    error = run_step(leave, tmp_path).error

    assert error["type"] == type(raised).__name__
    assert error["retryable"] is False


def test_an_exception_that_cannot_be_printed_is_still_told(tmp_path: Path) -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    @step
    def broken() -> None:
        raise Rude

    error = run_step(broken, tmp_path).error

    assert error["type"].endswith("Rude")
    assert "Rude" in error["message"]


def test_an_endless_recursion_is_told_in_bounds(tmp_path: Path) -> None:
    @step
    def down() -> None:
        def deeper(n: int) -> int:
            return deeper(n + 1)

        deeper(0)

    error = run_step(down, tmp_path).error

    assert error["type"] == "RecursionError"
    assert "deeper()" in error["where"]
    assert len(error["traceback"]) < 20_000


def test_a_script_gets_the_very_exception_back(tmp_path: Path) -> None:
    @step
    def broken() -> None:
        raise KeyError("lost")

    error = run_step(broken, tmp_path, return_exception=True).error
    found = pickled.loads(base64.b64decode(error["pickled"]))

    assert type(found) is KeyError
    assert found.args == ("lost",)


def test_an_exception_that_takes_other_arguments_comes_back_with_what_it_holds(tmp_path: Path) -> None:
    @step
    def broken() -> None:
        failure = Unlucky(1, 2)
        failure.__dict__.update(code=3, lock=threading.Lock())
        raise failure

    error = run_step(broken, tmp_path, return_exception=True).error
    found = pickled.loads(base64.b64decode(error["pickled"]))

    assert type(found) is Unlucky
    assert str(found) == "1 and 2"
    assert vars(found) == {"code": 3}


def test_an_exception_that_cannot_be_made_again_is_told_without_its_object(tmp_path: Path) -> None:
    @step
    def broken() -> None:
        raise Unmakeable("x", key=1)

    assert run_step(broken, tmp_path, return_exception=True).error["pickled"] is None


def test_secrets_in_variables_are_not_part_of_the_traceback(tmp_path: Path) -> None:
    @step
    def broken() -> None:
        password = "hunter" + str(2)
        assert password
        raise RuntimeError("no")

    assert "hunter2" not in run_step(broken, tmp_path).error["traceback"]
