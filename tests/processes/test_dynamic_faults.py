"""A driver of ten children killed at every place of its journal: alone, by a child that runs, and with its runner.

``make faults`` kills at every place three times over; in ``make test`` a few places are enough.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from tests.processes.driver_files import FILES
from tests.processes.instance import RunningInstance

ROUNDS = int(os.environ.get("STEPWELL_DRIVER_FAULTS", "0"))
PLACES = list(range(11)) if ROUNDS else [0, 4, 10]
SQUARES = [number * number for number in range(10)]

pytestmark = pytest.mark.timeout(600 if ROUNDS else 120)


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drivers")
    (folder / "home").mkdir()
    (folder / "journaled.py").write_text(FILES["journaled.py"])
    # A busy machine must not let leases lapse: killed runners are found by their process here.
    running = RunningInstance(folder, settings={"STEPWELL_LEASE_SECONDS": "30", "STEPWELL_HEARTBEAT_SECONDS": "2"})
    try:
        running.register(folder / "journaled.py")
        yield running
    finally:
        running.stop()


def told(instance, run, attempt):
    return json.loads(re.findall(r"told: (.*)", instance.log(run, ":driver", attempt))[-1])


def start(instance, tmp_path, pipeline, **parameters):
    folder = tmp_path / "-".join([pipeline, *(str(value) for value in parameters.values())])
    folder.mkdir(parents=True)
    return folder, instance.start(pipeline, parameters={"folder": str(folder), **parameters})["id"]


def check(instance, folder, run):
    """Assert that a run whose driver was killed once ended as if it had not been."""
    done = instance.wait_for(run, seconds=90)
    assert done["status"] == "completed", (folder.name, done["status_reason"], instance.steps(run))
    steps = instance.steps(run)
    driver = steps.pop(":driver")
    assert [attempt["status"] for attempt in driver["attempts"]] == ["crashed", "completed"], folder.name
    assert len((folder / "drivers").read_text().splitlines()) == 2
    assert told(instance, run, 2) == SQUARES
    # Every child ran once: in the store and by what it did.
    assert sorted(map(int, (folder / "ran").read_text().split())) == list(range(10)), folder.name
    assert [len(step["attempts"]) for step in steps.values()] == [1] * 10
    assert {step["status"] for step in steps.values()} == {"completed"}


@pytest.mark.parametrize("round_", range(max(1, ROUNDS)))
class TestKilledDrivers:
    def test_between_two_calls(self, instance, tmp_path, round_):
        for folder, run in [start(instance, tmp_path, "ten", position=place, how="driver") for place in PLACES]:
            check(instance, folder, run)

    def test_while_a_child_runs(self, instance, tmp_path, round_):
        for folder, run in [start(instance, tmp_path, "ten", position=place, how="child") for place in PLACES[:-1]]:
            check(instance, folder, run)

    def test_while_the_children_of_a_map_run(self, instance, tmp_path, round_):
        for folder, run in [start(instance, tmp_path, "mapped", position=place) for place in PLACES[:-1]]:
            check(instance, folder, run)

    def test_with_their_runner(self, instance, tmp_path, round_):
        started = [start(instance, tmp_path, "ten", position=place, how="runner") for place in PLACES]
        for folder, run in started:
            wait_for_file(folder / "at", instance, run)
        os.kill(instance.process_of("runner").pid, signal.SIGKILL)
        for folder, _ in started:
            (folder / "go").touch()
        for folder, run in started:
            check(instance, folder, run)


def test_a_body_that_takes_another_path_fails_with_both_calls_named(instance, tmp_path):
    _, run = start(instance, tmp_path, "wavering")
    done = instance.wait_for(run)
    assert done["status"] == "failed"
    assert "another path" in done["status_reason"]
    assert re.search(r"call 2 was step child\(3, .*\) and is now step child\(2, ", done["status_reason"]) or re.search(
        r"call 2 was step child\(number=3, .* and is now step child\(number=2, ", done["status_reason"]
    )


def test_a_driver_that_dies_again_and_again_spends_its_crash_budget(instance, tmp_path):
    _, run = start(instance, tmp_path, "poisonous")
    done = instance.wait_for(run)
    assert done["status"] == "failed"
    attempts = instance.steps(run)[":driver"]["attempts"]
    # The first one got further than none before it, so it does not count.
    assert 3 <= len(attempts) <= 4
    assert "crash budget" in done["status_reason"]


def wait_for_file(path, instance, run):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, instance.steps(run)
        time.sleep(0.05)
