"""Dynamic runs on a real runner: people's answers, a hundred that wait, cancellation, wide and long ones."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from tests.processes.driver_files import FILES
from tests.processes.instance import RunningInstance

#: the pace of the tests is for leases that lapse; here many drivers share a busy machine
CALM = {"STEPWELL_LEASE_SECONDS": "30", "STEPWELL_HEARTBEAT_SECONDS": "2"}
MANY = int(os.environ.get("STEPWELL_DRIVERS", "12"))


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dynamic")
    (folder / "home").mkdir()
    names = ("asking.py", "wide.py")
    for name in names:
        (folder / name).write_text(FILES[name])
    running = RunningInstance(folder, settings=CALM)
    try:
        for name in names:
            running.register(folder / name)
        yield running
    finally:
        running.stop()


def told(instance, run):
    number = len(instance.steps(run)[":driver"]["attempts"])
    return json.loads(re.findall(r"told: (.*)", instance.log(run, ":driver", number))[-1])


def answer(instance, run, value, wait="wait"):
    return instance.api.post(f"/runs/{run}/waits/{wait}/answer", json={"answer": value})


def test_a_run_waits_without_a_process_across_a_restart_and_goes_on_with_the_first_answer(instance):
    run = instance.start("release")["id"]
    paused = instance.wait_for(run, "paused")
    assert paused["status_reason"] == "Waits for an answer: Where to with 0.9?"
    (asked,) = instance.api.get(f"/runs/{run}/waits").json()["items"]
    assert (asked["name"], asked["status"], asked["answer"]) == ("place", "open", None)
    assert asked["schema"]["properties"]["replicas"]["type"] == "integer"
    assert instance.api.get(f"/runs/{run}/calls").json()["waits_for"] == "an answer: Where to with 0.9?"
    instance.wait_for_step(run, ":driver", "retrying")
    refused = answer(instance, run, {"replicas": "x"}, "place")
    assert (refused.status_code, refused.json()["code"]) == (422, "parameters")

    os.kill(instance.process_of("runner").pid, signal.SIGKILL)
    first = answer(instance, run, {"region": "eu", "replicas": 3}, "place")
    second = answer(instance, run, {"region": "us"}, "place")

    assert (first.status_code, first.json()["status"], first.json()["answered_by"] != "") == (200, "answered", True)
    assert second.status_code == 409
    assert json.loads(second.json()["fields"]["answer"]) == {"region": "eu", "replicas": 3}
    assert second.json()["fields"]["answered_by"] == first.json()["answered_by"]
    assert instance.wait_for(run)["status"] == "completed"
    assert told(instance, run) == ["eu", 3, "eu x3"]
    steps = instance.steps(run)
    assert [attempt["status"] for attempt in steps[":driver"]["attempts"]] == ["interrupted", "completed"]
    assert instance.log(run, ":driver") == "asks\n[stepwell] Paused: it waits for an answer.\n"
    assert len(steps["train"]["attempts"]) == 1


def test_a_wait_ends_by_its_deadline(instance):
    run = instance.start("impatient")["id"]
    assert instance.wait_for(run)["status"] == "completed"
    assert told(instance, run) is True
    (asked,) = instance.api.get(f"/runs/{run}/waits").json()["items"]
    assert asked["status"] == "timed_out"
    assert answer(instance, run, True).status_code == 409


def test_drivers_that_wait_keep_no_step_from_running(instance):
    runs = [instance.start("yes", parameters={"number": number})["id"] for number in range(MANY)]
    for run in runs:
        instance.wait_for(run, "paused", seconds=100)
    assert instance.wait_for(instance.start("fan", parameters={"n": 3})["id"])["status"] == "completed"
    for run in runs:
        assert answer(instance, run, True).status_code == 200
    for run in runs:
        assert instance.wait_for(run, seconds=100)["status"] == "completed"


@pytest.mark.parametrize("pipeline", ["sleepers", "outer"])
def test_cancelling_reaches_drivers_children_and_child_runs(instance, pipeline):
    run = instance.start(pipeline, parameters={"n": 8} if pipeline == "sleepers" else {})["id"]
    inner = run
    if pipeline == "outer":
        instance.wait_for(run, "running")
        deadline = time.monotonic() + 30
        while not (calls := instance.api.get(f"/runs/{run}/calls").json()["items"]) or not calls[0]["invocation_id"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        inner = calls[0]["invocation_id"].lstrip("#")
    instance.wait_for_step(inner, "map:naps:0", "running")

    instance.api.post(f"/runs/{run}/cancellation").raise_for_status()

    assert instance.wait_for(run, seconds=15)["status"] == "cancelled"
    assert instance.wait_for(inner, seconds=15)["status"] == "cancelled"
    assert {step["status"] for step in instance.steps(inner).values()} == {"cancelled"}
    if pipeline == "sleepers":  # its steps leave no slot free, so what comes after them never began
        assert "last" not in {name for name, step in instance.steps(inner).items() if step["started_at"]}


def test_wide_and_long_runs_keep_their_order(instance):
    grid = instance.start("grid", parameters={"n": 6})["id"]
    chain = instance.start("chain", parameters={"n": 30})["id"]
    assert instance.wait_for(grid, seconds=100)["status"] == "completed"
    assert told(instance, grid) == [True, True]
    assert instance.wait_for(chain, seconds=100)["status"] == "completed"
    assert told(instance, chain) == 29
