"""Calling pipelines and steps from a script, up to the seam where the server's code takes over."""

from __future__ import annotations

import base64
import pickle
import sys
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from stepwell import pipeline, step
from stepwell.errors import RunFailed, StepExecutionException, StepInterfaceError, UsageError
from stepwell.sdk import context, localrun
from stepwell.sdk.places import Place


@step
def double(number: int = 2) -> int:
    return number * 2


@pipeline
def p(number: int = 1, later: Any = None) -> None:
    double(number)


class Server:
    """Stands for ``stepwell.conf.local``: remembers what it is asked to run and answers as told."""

    def __init__(self) -> None:
        self.request: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}

    def run_plan(self, **request: Any) -> Any:
        self.request = request
        assert request["host"].alive
        return SimpleNamespace(
            **{
                "id": UUID(int=7),
                "name": "p-7",
                "pipeline": "p",
                "status": "completed",
                "reason": "",
                "number": 7,
                "pickled_exception": "",
                "failed_step": "",
                "error_type": "",
                "error_message": "",
                **self.answer,
            }
        )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    module = ModuleType("stepwell.conf.local")
    module.run_plan = made.run_plan  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stepwell.conf.local", module)
    return made


def pickled(exception: BaseException) -> str:
    return base64.b64encode(pickle.dumps(exception)).decode()


def test_a_call_traces_the_body_and_hands_over_plan_spec_and_code(server: Server) -> None:
    run = p(number="3")

    assert run.number == 7
    assert server.request["plan"].steps[0].inputs["number"].value == 3
    assert server.request["parameters"] == {"number": 3, "later": None}
    assert server.request["spec"].plan.parameters == {"number": 1, "later": None}
    assert server.request["entry_file"] == __file__
    assert __file__.startswith(server.request["source_root"])
    assert not server.request["host"].alive


def test_wrong_arguments_stop_before_anything_runs(server: Server) -> None:
    with pytest.raises(ValueError, match="number is 'x'"):
        p(number="x")

    assert server.request == {}


def test_the_original_exception_is_raised_with_the_run(server: Server) -> None:
    server.answer = {"status": "failed", "failed_step": "double", "pickled_exception": pickled(KeyError("k"))}

    with pytest.raises(KeyError) as caught:
        p()

    assert caught.value.run.number == 7  # type: ignore[attr-defined]
    assert "step double of run #7" in caught.value.__notes__[0]


def test_an_exception_that_cannot_travel_is_told_in_words(server: Server) -> None:
    server.answer = {"status": "failed", "failed_step": "double", "error_type": "Odd", "error_message": "why"}

    with pytest.raises(StepExecutionException, match=r"Step double failed: Odd: why\.") as caught:
        p()

    assert (caught.value.step, caught.value.run.number) == ("double", 7)


def test_a_step_that_left_no_exception_is_named_once(server: Server) -> None:
    server.answer = {"status": "failed", "failed_step": "double", "reason": "double failed: killed by signal 9"}

    with pytest.raises(StepExecutionException) as caught:
        p(1)
    assert str(caught.value) == "Step double failed: killed by signal 9."


def test_a_run_that_was_cancelled_is_no_success(server: Server) -> None:
    server.answer = {"status": "cancelled", "reason": "cancelled by ana"}

    with pytest.raises(RunFailed, match="cancelled by ana"):
        p()


def test_a_step_outside_of_pipelines_runs_by_itself_without_cache(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localrun, "load_outputs", lambda run, step_id, names: [f"{step_id}.{name}" for name in names])

    value = double.with_options(parameters={"number": 9}, enable_cache=True)()

    plan = server.request["plan"]
    assert value == "double.output"
    assert plan.pipeline == "double"
    assert [planned.options.enable_cache for planned in plan.steps] == [False]
    assert plan.steps[0].inputs["number"].value == 9
    with pytest.raises(StepInterfaceError, match="no input nummer"):
        double(nummer=1)


def test_inside_a_running_step_a_step_is_a_plain_call_and_a_pipeline_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "current", lambda: object())

    assert double(4) == 8
    with pytest.raises(UsageError, match="called inside a running step"):
        p()
    assert server.request == {}


def test_code_with_threads_gets_a_new_process_that_imports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from stepwell.engine.stephost import StepHost

    commands: list[Any] = []
    monkeypatch.setattr(localrun, "_is_single_threaded", lambda: False)
    monkeypatch.setattr(StepHost, "spawn", lambda command, **more: commands.append(command))
    monkeypatch.setattr(StepHost, "fork", lambda child_main: commands.append("fork"))

    place = Place(entry_file="/project/jobs/train.py", source_root="/project")
    localrun.make_host(place, {}, can_import=True)
    localrun.make_host(place, {}, can_import=False)
    localrun.make_host(Place(), {}, can_import=True)

    assert commands[1:] == ["fork", "fork"]
    assert commands[0][commands[0].index("--entry") + 1] == "jobs/train.py"
