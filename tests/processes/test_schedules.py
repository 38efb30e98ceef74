"""A schedule stored by a script, fired by two runners at once, one of which is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest

from tests.commands import told
from tests.processes.instance import QUICK

SCRIPT = """
from datetime import UTC, datetime

from stepwell import Schedule, pipeline, step


@step(enable_cache=False)
def tick(number: int) -> int:
    print("tick", number)
    return number


@pipeline
def ticking(number: int = 1):
    tick(number)


if __name__ == "__main__":
    every_second = Schedule(name="every-second", start_time=datetime.now(UTC), interval_second=1, catchup=True)
    stored = ticking.with_options(schedule=every_second, tags=["tock"])(number=7)
    print("stored", stored.id)
"""


@pytest.mark.timeout(120)
def test_two_runners_fire_each_second_once_and_one_goes_on_alone(instance):
    file = instance.commands.folder / "ticking.py"
    file.write_text(SCRIPT)
    second = subprocess.Popen(
        [sys.executable, "-m", "stepwell", "runner"],
        cwd=instance.commands.folder,
        env={**instance.commands.environment, **QUICK},
        stderr=(instance.commands.folder / "second.log").open("w"),
    )
    try:
        done = instance.commands.python(file)
        assert done.returncode == 0, told(done)
        assert "stored" in done.stdout
        assert "Schedule every-second of ticking is stored." in done.stderr
        fires_of(instance, at_least=5)
    finally:
        os.kill(second.pid, signal.SIGKILL)
        second.wait(10)
    fires = fires_of(instance, at_least=len(fires_of(instance, at_least=1)) + 3)
    paused = instance.api.patch("/schedules/every-second", json={"paused": True}).json()
    assert paused["next_times"] == []

    fires = fires_of(instance, at_least=len(fires))
    due = sorted(datetime.fromisoformat(fire["due"]) for fire in fires)
    assert due == [due[0] + timedelta(seconds=index) for index in range(len(due))]
    assert all(fire["run_id"] for fire in fires)
    runs = instance.api.get("/runs", params={"trigger": "schedule", "limit": 200}).json()["items"]
    assert {run["id"] for run in runs} == {fire["run_id"] for fire in fires}
    assert len(runs) == len(fires)
    for run in runs:
        ended = instance.wait_for(run["id"], seconds=60)
        assert (ended["status"], ended["parameters"], ended["tags"]) == ("completed", {"number": 7}, ["tock"]), told_of(
            instance, ended
        )
    assert (
        "Schedule every-second fired"
        in (instance.commands.folder / "up.log").read_text() + (instance.commands.folder / "second.log").read_text()
    )


def fires_of(instance, *, at_least):
    """Return what came of the schedule's times, once there are so many."""
    deadline = time.monotonic() + 40
    while True:
        fires = instance.api.get("/schedules/every-second/fires", params={"limit": 200}).json()["items"]
        if len(fires) >= at_least:
            return fires
        assert time.monotonic() < deadline, fires
        time.sleep(0.1)


def told_of(instance, run):
    steps = instance.api.get(f"/runs/{run['id']}/steps").json()["items"]
    return run["status_reason"], [(step["status_reason"], step["attempts"]) for step in steps]
