"""Hooks are owed: whoever is killed while one is due, it runs, again with the same event id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.processes.instance import QUICK, RunningInstance

FILE = """
import json
import os
import sys
import time

from stepwell import get_step_context, pipeline, step


def note(hook, exception=None):
    # The line says that it began; "done" follows unless somebody ends the process before.
    path = os.path.join(os.environ["HOME"], f"{os.environ['STEPWELL_RUN_ID']}.{hook}")
    first = not os.path.exists(path)
    line = {"event": os.environ["STEPWELL_EVENT_ID"], "pid": os.getpid(), "error": str(exception or "")}
    assert get_step_context().event_id == line["event"]
    with open(path, "a") as file:
        file.write(json.dumps(line) + "\\n")
    return first


def slow_first():
    if note("success"):
        time.sleep(20)


def slow_first_end():
    if note("end"):
        time.sleep(20)


def quick():
    note("success")


class Rejected(Exception):
    def __init__(self, row, column):
        super().__init__(f"row {row}")
        self.column = column


def slow_first_failure(exception):
    if note("failure", f"{type(exception).__name__} {exception} {exception.column}"):
        time.sleep(20)


def hang():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass


@step(on_success=slow_first)
def work() -> int:
    return 1


@step(on_end=slow_first_end, on_success=quick)
def both() -> int:
    return 1


@step(on_success=hang)
def hung() -> int:
    return 1


@step
def after(value: int) -> None:
    pass


@step(on_failure=slow_first_failure)
def rejecting() -> None:
    raise Rejected(7, column="price")


@pipeline(enable_cache=False)
def killed_in_hook():
    after(work())


@pipeline(enable_cache=False)
def killed_before_hook():
    both()


@pipeline(enable_cache=False)
def killed_in_failure_hook():
    rejecting()


@pipeline(enable_cache=False)
def hanging():
    after(hung())


if __name__ == "__main__":
    {"killed_in_hook": killed_in_hook, "killed_before_hook": killed_before_hook}[sys.argv[1]]()
"""
SETTINGS = {"STEPWELL_STEP_SLOTS": "1", "STEPWELL_HOOK_SECONDS": "3"}


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hooks")
    (folder / "owed.py").write_text(FILE)
    running = RunningInstance(folder, settings={**SETTINGS, "STEPWELL_HOOK_SECONDS": "30"})
    try:
        running.register(folder / "owed.py")
        yield running
    finally:
        running.stop()


def home(instance) -> Path:
    return Path(instance.commands.environment["HOME"])


def calls(instance, run_id, hook, *, at_least=1, seconds=30):
    """Return what the calls of a hook noted, once there are enough."""
    path = home(instance) / f"{run_id}.{hook}"
    deadline = time.monotonic() + seconds
    while True:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= at_least:
            return [json.loads(line) for line in lines]
        assert time.monotonic() < deadline, f"{hook} was called {len(lines)} times: {events(instance, run_id)}"
        time.sleep(0.05)


def events(instance, run_id):
    answer = instance.api.get(f"/runs/{run_id}/events", params={"limit": 200}).json()
    rows = answer["items"] if isinstance(answer, dict) else answer
    return [row["payload"] for row in rows if row["kind"] == "hook"]


def told(instance, run_id, hook, *, seconds=30):
    """Return the one event that says how a hook went."""
    deadline = time.monotonic() + seconds
    while not (found := [event for event in events(instance, run_id) if event["hook"] == hook]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(found) == 1, found
    return found[0]


def test_a_hook_whose_process_is_killed_runs_again_with_the_same_event_id(instance):
    run = instance.start("killed_in_hook")
    (first,) = calls(instance, run["id"], "success")
    # The result is stored and the next step ran, though the hook still sleeps in the only slot's process.
    assert instance.wait_for(run["id"])["status"] == "completed"
    os.kill(first["pid"], signal.SIGKILL)
    first, second = calls(instance, run["id"], "success", at_least=2)
    assert second["event"] == first["event"]
    assert second["pid"] != first["pid"]
    event = told(instance, run["id"], "on_success")
    assert event["ok"] is True
    assert event["event_id"] == first["event"]


def test_a_failure_hook_that_runs_again_gets_what_the_step_raised(instance):
    run = instance.start("killed_in_failure_hook")
    (first,) = calls(instance, run["id"], "failure")
    os.kill(first["pid"], signal.SIGKILL)
    first, second = calls(instance, run["id"], "failure", at_least=2)
    assert first["error"] == second["error"] == "Rejected row 7 price"
    assert told(instance, run["id"], "on_failure")["ok"] is True


def test_a_runner_killed_in_a_hook_leaves_it_and_those_after_it_to_the_next(instance):
    run = instance.start("killed_before_hook")
    (first,) = calls(instance, run["id"], "end")
    instance.wait_for_step(run["id"], "both", "completed")
    instance.process_of("runner").send_signal(signal.SIGKILL)
    _, second = calls(instance, run["id"], "end", at_least=2)
    assert second["event"] == first["event"]
    (success,) = calls(instance, run["id"], "success")
    assert success["event"] != first["event"]
    assert told(instance, run["id"], "on_success")["ok"] is True
    assert instance.run(run["id"])["status"] == "completed"
    assert "on_end is run now" in instance.log(run["id"], "both")


def test_a_killed_script_leaves_its_hooks_to_a_runner_which_has_its_code(instance):
    run_id = kill_script_in_hook(instance, [str(home(instance) / "owed.py"), "killed_before_hook"], "end")
    first, second = calls(instance, run_id, "end", at_least=2)
    assert second["event"] == first["event"]
    assert told(instance, run_id, "on_success")["ok"] is True


def test_hooks_of_a_killed_script_whose_code_nobody_has_are_shown_as_not_delivered(instance):
    code = FILE.replace("__main__", "unused") + "\nkilled_before_hook()\n"
    run_id = kill_script_in_hook(instance, ["-c", code], "end")
    event = told(instance, run_id, "on_end")
    assert event["ok"] is False
    assert "its code was not kept" in event["error"]


def kill_script_in_hook(instance, arguments, hook):
    known = {path.name for path in home(instance).glob(f"*.{hook}")}
    script = subprocess.Popen(
        [sys.executable, *arguments],
        env={**instance.commands.environment, **QUICK, **SETTINGS},
        cwd=home(instance),
    )
    try:
        deadline = time.monotonic() + 40
        while not (made := [path for path in home(instance).glob(f"*.{hook}") if path.name not in known]):
            assert script.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        instance.wait_for(made[0].name.partition(".")[0])
    finally:
        script.kill()
        script.wait()
    return made[0].name.partition(".")[0]


@pytest.fixture
def strict(tmp_path):
    (tmp_path / "owed.py").write_text(FILE)
    running = RunningInstance(tmp_path, settings=SETTINGS)
    try:
        running.register(tmp_path / "owed.py")
        yield running
    finally:
        running.stop()


def test_a_hook_that_hangs_is_stopped_and_delays_nothing(strict):
    run = strict.start("hanging")
    strict.wait_for_step(run["id"], "after", "completed")
    # One slot, and it is not the hook's.
    steps = strict.steps(run["id"])
    ended, started = steps["hung"]["ended_at"], steps["after"]["started_at"]
    assert (datetime.fromisoformat(started) - datetime.fromisoformat(ended)).total_seconds() < 1
    assert events(strict, run["id"]) == []
    event = told(strict, run["id"], "on_success")
    assert (event["ok"], event["error"]) == (False, "It was stopped after 3 seconds.")
    assert strict.run(run["id"])["status"] == "completed"
