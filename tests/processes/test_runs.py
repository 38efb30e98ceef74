"""Runs on a real instance: web, runner, step hosts and step processes, driven over the API."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

SECRET = "s3cr3t/Väl+ue-of-the-vault"


def test_a_run_goes_through_all_its_steps(instance):
    run = instance.start("short")
    done = instance.wait_for(run["id"])
    assert done["status"] == "completed", instance.steps(run["id"])
    steps = instance.steps(run["id"])
    assert {name: step["status"] for name, step in steps.items()} == {
        "make": "completed",
        "slow": "completed",
        "check": "completed",
    }
    assert instance.log(run["id"], "make") == "made 3\n"


def test_the_second_run_comes_from_the_cache_and_a_changed_parameter_does_not(instance):
    instance.wait_for(instance.start("short", parameters={"rows": 5, "expected": 10})["id"])
    second = instance.start("short", parameters={"rows": 5, "expected": 10})["id"]
    assert instance.wait_for(second)["status"] == "completed"
    assert {step["status"] for step in instance.steps(second).values()} == {"cached"}
    third = instance.start("short", parameters={"rows": 6, "expected": 12})["id"]
    assert instance.wait_for(third)["status"] == "completed"
    assert {step["status"] for step in instance.steps(third).values()} == {"completed"}


def test_a_failing_step_is_tried_again_and_its_hook_runs_once(instance):
    run = instance.start("hooked")
    assert instance.wait_for(run["id"])["status"] == "completed"
    assert "try 1" in instance.log(run["id"], "flaky", 1)
    assert "hook: failed" not in instance.log(run["id"], "flaky", 2)
    instance.wait_for_log(run["id"], "flaky", "hook: it worked", attempt=3)
    third = instance.log(run["id"], "flaky", 3)
    assert third.count("hook: it worked") == 1


def test_a_rerun_changes_the_retry_count_and_the_failure_hook_runs_after_the_last_try(instance):
    failed = instance.start("hooked", parameters={"failures": 9})
    assert instance.wait_for(failed["id"])["status"] == "failed"
    instance.wait_for_log(failed["id"], "flaky", "hook: failed with try 4 of 9 fails", attempt=4)
    answer = instance.api.post(
        f"/runs/{failed['id']}/reruns",
        json={"scope": "failed", "parameters": {"failures": 1}, "steps": {"flaky": {"retry": {"max_retries": 0}}}},
    )
    assert answer.status_code in {200, 201}, answer.text
    again = instance.wait_for(answer.json()["id"])
    assert again["status"] == "failed"
    instance.wait_for_log(again["id"], "flaky", "hook: failed with try 1 of 1 fails")


def test_a_secret_reaches_its_step_only_and_is_found_nowhere(instance):
    instance.make_secret("vault-test", VAULT_TOKEN=SECRET)
    run = instance.start("keeper")
    assert instance.wait_for(run["id"])["status"] == "failed"
    log = instance.log(run["id"], "reads")
    assert "token is ***" in log
    assert "has token: False has database: False" in instance.log(run["id"], "does_not_read")
    step = instance.steps(run["id"])["raises"]
    assert "could not log in with ***" in str(step)
    home = Path(instance.commands.environment["STEPWELL_HOME"])
    forms = [SECRET.encode(), SECRET.encode().hex().encode(), b"czNjcjN0L1bD"]
    for path in home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(form in content for form in forms), path
    for url in (f"/runs/{run['id']}", f"/runs/{run['id']}/steps", f"/runs/{run['id']}/events"):
        assert SECRET not in instance.api.get(url).text
    page = f"/runs/{run['number']}/"
    with contextlib.closing(instance.signed_in()) as browser:
        for path in (page, f"{page}?step=raises", f"{page}?step=reads", f"{page}events/", f"{page}rerun/", "/secrets/"):
            answer = browser.get(path)
            assert answer.status_code == 200, path
            assert not any(form.decode() in answer.text for form in forms), path
        assert "***" in browser.get(f"{page}?step=reads").text


def test_cancelling_ends_a_step_that_ignores_it_with_all_its_children(instance):
    run = instance.start("stubborn")
    instance.wait_for_step(run["id"], "hang", "running")
    deadline = time.monotonic() + 10
    while not (found := re.search(r"child (\d+) self (\d+)", instance.log(run["id"], "hang"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answer = instance.api.post(f"/runs/{run['id']}/cancellation", json={})
    assert answer.status_code in {200, 202}, answer.text
    assert instance.wait_for(run["id"])["status"] == "cancelled"
    for pid in map(int, found.groups()):
        gone = time.monotonic() + 5
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < gone, f"{pid} is still there"
            time.sleep(0.05)


def test_a_time_out_given_in_a_rerun_ends_the_step(instance):
    answer = instance.api.post("/pipelines/stubborn/runs", json={"parameters": {}, "steps": {"hang": {"timeout": 1}}})
    assert answer.status_code in {200, 201}, answer.text
    run = instance.wait_for(answer.json()["id"])
    assert run["status"] == "failed"
    assert "time-out" in str(instance.steps(run["id"])["hang"])


def test_a_step_that_crashes_every_time_ends_with_its_crash_budget(instance):
    run = instance.wait_for(instance.start("crashing")["id"])
    assert run["status"] == "failed"
    assert "crash budget" in str(instance.steps(run["id"])["crash"])
    assert "SIGSEGV" in instance.log(run["id"], "crash", 3)


@pytest.mark.timeout(180)
def test_twenty_runs_at_once_survive_a_killed_runner_and_none_ends_twice(instance):
    def start(index: int):
        return instance.start("short", parameters={"rows": 100 + index, "expected": 200 + 2 * index, "seconds": 0.5})

    with ThreadPoolExecutor(10) as pool:
        runs = [run["id"] for run in pool.map(start, range(20))]
    instance.wait_for_step(runs[3], "slow", "running", "completed", seconds=30)
    runner = instance.process_of("runner")
    runner.send_signal(signal.SIGKILL)
    ended = [instance.wait_for(run, seconds=120) for run in runs]
    assert [run["status"] for run in ended] == ["completed"] * 20
    for run in runs:
        events = instance.api.get(f"/runs/{run}/events", params={"limit": 200}).json()
        events = events["items"] if isinstance(events, dict) else events
        ends = [
            event for event in events if event["kind"] == "run.status" and event["payload"]["status"] == "completed"
        ]
        assert len(ends) == 1
        done = [
            event["payload"]["invocation_id"]
            for event in events
            if event["kind"] == "step.status" and event["payload"]["status"] == "completed"
        ]
        assert sorted(done) == sorted(set(done))
    assert instance.process_of("runner").pid != runner.pid
