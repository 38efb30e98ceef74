"""What only a script can show: values and exceptions at the call, Ctrl-C, and what a rerun of its run does."""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.commands import Instance, finish, only, told

ALONE = """
import functools
from stepwell import BaseStep, StepRetryConfig, get_step_context, pipeline, step
from stepwell.errors import RunFailed, StepInterfaceError


@step
def double(number: int = 2) -> int:
    return number * 2


@step
def two(number: int) -> tuple[int, str]:
    return number, str(number)


@step
def nothing() -> None:
    print("ran")


class Scale(BaseStep):
    def __init__(self, k: int):
        self.k = k

    def entrypoint(self, value: int) -> int:
        return value * self.k


class Own(Exception):
    pass


@step(retry=StepRetryConfig(max_retries=1))
def fails(number: int) -> int:
    raise Own(f"no {number}")


@pipeline
def training(number: int = 1):
    double(fails(number))


if __name__ == "__main__":
    assert double(4) == 8
    assert double.with_options(parameters={"number": 9})() == 18
    assert two(number="3") == (3, "3")
    assert nothing() is None
    assert Scale(5)(2) == 10
    assert double.call_entrypoint(4) == 8

    try:
        fails(7)
    except Own as exc:
        assert str(exc) == "no 7" and exc.run.status == "failed" and exc.run.pipeline == "fails"
        print("alone:", exc.__notes__[0])
    try:
        training(2)
    except Own as exc:
        assert exc.run.pipeline == "training"
        print("pipeline:", exc.__notes__[0])
    try:
        training("many")
    except ValueError as exc:
        print("wrong:", exc)
    try:
        double(nummer=1)
    except StepInterfaceError as exc:
        print("unknown:", exc)
    run = training.with_options(run_name="own name", tags=["a"])
    try:
        run(3)
    except Own as exc:
        assert exc.run.name == "own name"
    print("all good")
"""

SLOW = """
import time
from stepwell import pipeline, step


@step(enable_cache=False)
def slow() -> None:
    print("is running", flush=True)
    time.sleep(60)


@step
def after() -> None:
    print("never")


@pipeline
def waiting():
    after(after=slow())


waiting()
"""

#: Ctrl-C at the start of the first transaction after the run has started
PRESSED = """
import os, signal, sys
from django.db.backends.sqlite3.base import DatabaseWrapper

begin, write, told = DatabaseWrapper._start_transaction_under_autocommit, sys.stderr.write, []


def press():
    told.clear()
    os.kill(os.getpid(), signal.SIGINT)


class Dropped:
    def __del__(self):
        press()


def begin_and_press(connection):
    begin(connection)
    if told:
        PLACE()


DatabaseWrapper._start_transaction_under_autocommit = begin_and_press
sys.stderr.write = lambda text: (told.append(text) if "has started" in text else None, write(text))[1]
waiting()
"""


def press_after(process, stream, words):
    """Press Ctrl-C once these words are in a line of the stream."""
    assert any(words in line for line in stream)
    process.send_signal(signal.SIGINT)


@pytest.fixture
def instance(tmp_path):
    return Instance(folder=tmp_path)


class TestScripts:
    def test_steps_and_pipelines_called_from_a_script(self, instance):
        (instance.folder / "alone.py").write_text(ALONE)
        done = instance.python("alone.py")

        assert done.returncode == 0, told(done)
        assert "all good" in done.stdout
        assert re.search(r"alone: Raised in step fails of run #\d+", done.stdout)
        assert re.search(r"pipeline: Raised in step fails of run #\d+", done.stdout)
        assert "wrong: Pipeline training: number is 'many'" in done.stdout
        assert "unknown: Step double has no input nummer. Did you mean number?" in done.stdout

        runs = instance.runs()
        assert [run["status"] for run in runs].count("failed") == 3
        assert runs[0]["name"] == "own name"
        # What was refused left no run.
        assert len(runs) == 8

    def test_ctrl_c_stops_the_step_and_cancels_the_run(self, instance):
        (instance.folder / "slow.py").write_text(SLOW)
        process = instance.start_python("slow.py")
        press_after(process, process.stdout, "is running")
        pressed_at = time.monotonic()
        done = finish(process)

        assert time.monotonic() - pressed_at < 5
        assert done.returncode in {130, -signal.SIGINT}, told(done)
        assert only(instance.runs())["status"] == "cancelled"
        shown = instance.stepwell("runs", "show", "1").stdout
        assert re.search(r"slow +cancelled", shown), shown
        assert re.search(r"after +(cancelled|skipped)", shown), shown

    @pytest.mark.parametrize("place", ["press", "Dropped"], ids=["before Django notes it", "in a destructor"])
    def test_ctrl_c_as_a_transaction_begins_cancels_the_run_too(self, instance, place):
        (instance.folder / "slow.py").write_text(SLOW.removesuffix("waiting()\n") + PRESSED.replace("PLACE", place))
        done = instance.python("slow.py")

        assert done.returncode in {130, -signal.SIGINT}, told(done)
        assert "transaction" not in done.stderr, told(done)
        assert only(instance.runs())["status"] == "cancelled"

    def test_a_second_ctrl_c_leaves_at_once(self, instance):
        (instance.folder / "deaf.py").write_text(
            SLOW.replace("import time", "import signal, time").replace(
                'print("is', 'signal.signal(signal.SIGTERM, signal.SIG_IGN); print("is'
            )
        )
        process = instance.start_python("deaf.py")
        press_after(process, process.stdout, "is running")
        press_after(process, process.stderr, "Press Ctrl-C again")
        pressed_at = time.monotonic()
        done = finish(process)

        assert time.monotonic() - pressed_at < 2
        assert done.returncode in {130, -signal.SIGINT}, told(done)


@pytest.fixture(scope="class")
def again(tmp_path_factory):
    """A data folder beside a script that ran four times: as it is, the same, with another rate, with another helper."""
    instance = Instance(folder=tmp_path_factory.mktemp("again"))
    script = instance.folder / "again.py"
    script.write_text(AGAIN)
    done = instance.python("again.py", "0.1", "0.1", "0.2")
    assert done.returncode == 0, told(done)
    script.write_text(AGAIN.replace("return 10", "return 11"))
    assert instance.python("again.py", "0.2").returncode == 0
    return instance


class TestWhyAStepRan:
    @pytest.mark.parametrize(
        ("number", "reason"),
        [
            ("2", "Taken from run #1: same code, parameters and inputs."),
            ("3", "Ran because parameter rate changed from 0.1 to 0.2."),
            ("4", "Ran because helper again.helper changed."),
        ],
    )
    def test_the_command_line_shows_it(self, again, number, reason):
        assert reason in again.stepwell("runs", "show", number).stdout

    def test_a_data_folder_beside_the_script_is_not_kept_as_code(self, again):
        assert len(list((again.folder / "home" / "code").glob("*.zip"))) == 2


AGAIN = """
import sys
from stepwell import pipeline, step


def helper() -> int:
    return 10


@step
def train(rate: float) -> float:
    return rate * helper()


@pipeline
def again(rate: float):
    train(rate)


for word in sys.argv[1:]:
    again(float(word))
"""
