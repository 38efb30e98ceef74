"""Pipeline hooks in a script: on_init before each step, on_cleanup once at the end, the others as steps' defaults."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from stepwell import pipeline, step
from stepwell.errors import ConfigError
from tests.commands import Instance, finish, only, told

SCRIPT = """
import sys
import time

from stepwell import get_step_context, pipeline, step


def connect():
    print("connected for", get_step_context().step_name)
    return {"answer": 42, "live": lambda: "kept as it is"}


async def disconnect():
    print("disconnected in", get_step_context().step_name, "state", get_step_context().pipeline_state)


def begun():
    print("begun", get_step_context().step_name, "with", get_step_context().pipeline_state["answer"])


@step
def first(seconds: float) -> int:
    print("first says", get_step_context().pipeline_state["live"](), flush=True)
    time.sleep(seconds)
    return 1


@step
def second(one: int, fail: bool) -> None:
    if fail:
        raise ValueError("told to fail")


@pipeline(on_init=connect, on_cleanup=disconnect, on_start=begun, enable_cache=False)
def hooked(fail: bool = False, seconds: float = 0.0):
    second(first(seconds), fail)


def broken():
    raise RuntimeError("hook broke")


"""


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(folder=tmp_path)


def write(instance: Instance, call: str) -> str:
    (instance.folder / "hooked.py").write_text(SCRIPT + call)
    return "hooked.py"


def test_every_step_gets_the_state_and_the_end_is_cleaned_up_once(instance: Instance) -> None:
    done = instance.python(write(instance, "hooked()"))

    assert done.returncode == 0, told(done)
    assert done.stdout.splitlines() == [
        "connected for first",
        "begun first with 42",
        "first says kept as it is",
        "connected for second",
        "begun second with 42",
        "disconnected in :cleanup state None",
    ]


def test_a_failed_run_is_cleaned_up_and_raises_what_the_step_raised(instance: Instance) -> None:
    done = instance.python(write(instance, "hooked(fail=True)"))

    assert "ValueError: told to fail" in done.stderr
    assert done.stdout.count("disconnected") == 1
    assert only(instance.runs())["status"] == "failed"


def test_a_clean_up_that_fails_leaves_the_run_completed(instance: Instance) -> None:
    done = instance.python(write(instance, "hooked.with_options(on_cleanup=broken)()"))

    assert done.returncode == 0, told(done)
    assert "The hook on_cleanup failed. RuntimeError: hook broke" in done.stdout
    assert only(instance.runs())["status"] == "completed"


def test_an_init_that_fails_fails_the_step(instance: Instance) -> None:
    done = instance.python(write(instance, "hooked.with_options(on_init=broken)()"))

    assert done.returncode == 1
    assert "RuntimeError: hook broke" in done.stderr
    assert "first says" not in done.stdout
    assert "disconnected" in done.stdout


def test_ctrl_c_cleans_up_before_the_script_ends(instance: Instance) -> None:
    process = instance.start_python(write(instance, "hooked(seconds=60)"))
    deadline = time.monotonic() + 30
    while "first says" not in (line := process.stdout.readline()):
        assert time.monotonic() < deadline, line
    process.send_signal(signal.SIGINT)
    done = finish(process)

    assert "disconnected in :cleanup" in done.stdout, told(done)
    assert only(instance.runs())["status"] == "cancelled"


def test_a_local_pipeline_is_cleaned_up_by_its_own_function(instance: Instance) -> None:
    call = """
def make():
    word = "from inside"

    @pipeline(on_cleanup=lambda: print("cleaned", word))
    def local():
        first(0.0)

    return local


make().with_options(on_init=lambda: {"live": lambda: "local"})()
"""
    done = instance.python(write(instance, call))

    assert done.returncode == 0, told(done)
    assert done.stdout.splitlines() == ["first says local", "cleaned from inside"]


@step
def work() -> int:
    return 1


def told_begun() -> None: ...


def told_ended(exception: BaseException | None) -> None: ...


def test_start_and_end_hooks_of_a_pipeline_are_the_default_of_its_steps() -> None:
    @pipeline(on_start=told_begun, on_end=told_ended)
    def hooked() -> None:
        work()
        work.with_options(on_start=told_ended.__module__ + ".told_begun")(id="own")

    plan, _ = hooked.trace()

    assert plan.steps[0].options.hooks.on_end.endswith("told_ended")
    assert plan.steps[0].origins["on_start"] == "pipeline"
    assert plan.steps[1].origins["on_start"] == "call"


def test_a_pipeline_without_hooks_has_no_clean_up_and_no_init() -> None:
    @pipeline
    def plain() -> None:
        work()

    plan, _ = plain.trace()

    assert plan.cleanup is None
    assert plan.steps[0].options.hooks.on_init is None


def test_a_hook_that_leads_nowhere_is_refused_before_a_run_exists() -> None:
    @pipeline(on_cleanup="nowhere.at_all")
    def lost() -> None:
        work()

    with pytest.raises(ConfigError, match=r"Pipeline lost: on_cleanup is 'nowhere\.at_all', which cannot be found"):
        lost.trace()
