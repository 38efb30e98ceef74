"""Processes that are killed: a step, its host, a runner, all of them, at named points and at random."""

from __future__ import annotations

import random
import signal
import time

import psutil

from tests.faults.scenarios import scenario
from tests.faults.stage import LEASE, PATIENCE, STEADY, SWEEP, Process, Stage, check


def kill(pid: int) -> None:
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return


@scenario("F01")
def step_killed(stage: Stage) -> None:
    """kill -9 of a step process: its attempt ends within 2 s with the signal, and the step runs again."""
    stage.runner()
    run = stage.start("small", seconds=1.0)
    line = stage.until_noted("begin")[0]
    kill(int(line[3]))
    stage.until(lambda: stage.attempts(run, "first")[0].status == "crashed", "the attempt crashed", seconds=2)
    stage.wait()
    first = stage.attempts(run, "first")
    check([attempt.status for attempt in first] == ["crashed", "completed"], f"attempts {first}")
    check("SIGKILL" in first[0].status_reason, first[0].status_reason)


@scenario("F02")
def host_killed(stage: Stage) -> None:
    """kill -9 of the step host: its steps die with it within 2 s and run again."""
    stage.runner()
    runs = stage.start_many(3, "patient")
    lines = stage.until_noted("begin", 3)
    steps = [psutil.Process(int(line[3])) for line in lines]
    host = steps[0].parent()
    host.kill()
    _, alive = psutil.wait_procs(steps, timeout=2 * PATIENCE)
    check(not alive, f"steps outlive their host: {alive}")
    stage.wait()
    check(all(stage.status(run) == "completed" for run in runs), "not all completed")


@scenario("F03", quick=True)
def runner_killed(stage: Stage) -> None:
    """kill -9 of a runner with four steps: another one on the host takes them over within 10 s."""
    first = stage.runner(STEPWELL_LEASE_SECONDS="300")
    runs = stage.start_many(4, "patient")
    stage.until_noted("begin", 4)
    stage.runner(STEPWELL_LEASE_SECONDS="300")
    first.kill()
    killed_at = time.monotonic()
    stage.until_repeated(4)
    stage.figures["taken over after"] = f"{time.monotonic() - killed_at:.1f} s"
    check(time.monotonic() - killed_at < PATIENCE * 10, "taken over too late")
    stage.wait()
    check(all(stage.status(run) == "completed" for run in runs), "not all completed")


@scenario("F03 F25")
def host_vanished(stage: Stage) -> None:
    """A runner's machine vanishes with its steps: a runner elsewhere takes over when the lease lapsed."""
    first = stage.runner(host="a")
    stage.start_many(2, "patient")
    stage.until_noted("begin", 2)
    stage.runner(host="b")
    everything = [psutil.Process(first.pid), *first.below()]
    for process in everything:
        process.kill()
    killed_at = time.monotonic()
    stage.until_repeated(2)
    took = time.monotonic() - killed_at
    stage.figures["taken over after"] = f"{took:.1f} s with a lease of {LEASE:g} s"
    check(took < PATIENCE * (LEASE + SWEEP + 5), f"taken over after {took:.1f} s")
    stage.wait()


@scenario("F03")
def three_runners(stage: Stage) -> int:
    """Three runners, two of them killed and started again while 40 runs go on."""
    runners = [stage.runner() for _ in range(3)]
    stage.start_many(40, "small", seconds=0.05)
    for index in range(2):
        time.sleep(1)
        runners[index].kill()
        stage.runner()
    stage.wait(seconds=60)
    return 40


@scenario("F01 F02 F03", limit=240)
def random_kills(stage: Stage) -> int:
    """kill -9 of any of our processes every 2 to 5 s while some hundred small runs go on."""
    draw = random.Random(stage.kind)
    runners = [stage.runner(), stage.runner()]
    stage.watch_web()
    killed, count = 0, 0
    next_kill, end = time.monotonic() + 2, time.monotonic() + 70
    while time.monotonic() < end:
        if len(stage.accepted) < 400 and count - _ended(stage) < 12:
            pipeline = draw.choice(["small", "diamond", "flaky" if count % 10 == 0 else "small"])
            stage.start(pipeline, **({} if pipeline == "flaky" else {"seconds": 0.05}))
            count += 1
        else:
            time.sleep(0.05)
        if time.monotonic() > next_kill:
            next_kill = time.monotonic() + draw.uniform(2, 5)
            killed += _kill_one(draw, runners)
            runners = [one if one.is_alive else stage.runner(ready=False) for one in runners]
    runners = [one if one.is_alive else stage.runner() for one in runners]
    stage.wait(seconds=60)
    stage.figures["runs"] = count
    return killed


def _ended(stage: Stage) -> int:
    from stepwell.runs.models import Run

    return Run.objects.filter(id__in=stage.accepted, status__in=("completed", "failed", "cancelled")).count()


def _kill_one(draw: random.Random, runners: list[Process]) -> int:
    pids = [one.pid for one in runners if one.is_alive]
    for one in list(runners):
        if one.is_alive:
            pids += [child.pid for child in one.below()]
    kill(draw.choice(pids))
    for one in runners:
        one.popen.poll()
    return 1


@scenario("F31")
def poison_steps(stage: Stage) -> int:
    """Steps that kill themselves, their host or their runner fail after three crashes; others finish."""
    first, second = stage.runner(), stage.runner()
    stage.watch_web()
    poisoned = {victim: stage.start("poison", victim=victim) for victim in ("self", "host", "runner")}
    others = stage.start_many(3, "small", seconds=0.2)
    deadline = time.monotonic() + 60
    while any(stage.status(run) not in ("failed", "completed") for run in [*poisoned.values(), *others]):
        check(time.monotonic() < deadline, "the poison goes on")
        tried = sum(line[:1] + line[2:3] == ["begin", "poisonous"] for line in stage.ledger())
        check(tried <= 9, "the poison is tried too often")
        first = first if first.is_alive else stage.runner(ready=False)
        second = second if second.is_alive else stage.runner(ready=False)
        time.sleep(0.1)
    for victim, run in poisoned.items():
        crashed = [attempt.status for attempt in stage.attempts(run, "poisonous")]
        check(crashed == ["crashed"] * 3, f"{victim}: {crashed}")
        check("crash budget" in stage.step(run, "poisonous").status_reason, stage.step(run, "poisonous").status_reason)
    check(all(stage.status(run) == "completed" for run in others), "a harmless run did not complete")
    return 9


#: the points of a runner's and a step's life; a driver's are tested with dynamic pipelines
POINTS = (
    "before_claim",
    "after_claim",
    "before_spawn",
    "after_spawn",
    "mid_step",
    "after_step_exit",
    "before_artifact_rename",
    "after_rename_before_commit",
    "after_commit_before_ack",
    "before_parent_fold",
    "before_hook",
    "mid_hook",
    "after_hook",
    "before_enqueue",
    "after_enqueue",
    "during_retry_schedule",
)


@scenario("F04 F41 F48 F49", limit=240)
def killed_at_each_point(stage: Stage) -> int:
    """kill -9 of a runner with all below it at each of 16 points between claim and end."""
    for index, point in enumerate(POINTS):
        runs = [stage.start("hooked"), stage.start("flaky", failures=1)]
        made = stage.runner(failpoint=f"{point}:kill9tree@{1 + index % 3}")
        deadline = time.monotonic() + 8
        while made.is_alive and time.monotonic() < deadline:
            time.sleep(0.05)
            if all(stage.status(run) == "completed" for run in runs):
                break
        again = stage.runner()
        stage.wait(runs, seconds=20)
        check(all(stage.status(run) == "completed" for run in runs), f"{point}: {[stage.status(run) for run in runs]}")
        for one in (made, again):
            if one.is_alive:
                one.send(signal.SIGTERM)
                one.popen.wait(10)
    return len(POINTS)


@scenario("F23 F18")
def claim_race(stage: Stage) -> int:
    """Every message comes ten times to three runners: each step runs once."""
    from stepwell.execution.doorbell import ring
    from stepwell.runs.models import Attempt

    runs = stage.start_many(15, "small", seconds=0.02)
    for attempt_id in Attempt.objects.filter(status="queued").values_list("id", flat=True):
        for _ in range(10):
            ring(attempt_id)
    for _ in range(3):
        stage.runner(ready=False, **STEADY)
    stage.wait(seconds=40)
    check(not stage.charges(), stage.charges())
    begun = [line for line in stage.ledger() if line[0] == "begin"]
    check(len(begun) == 2 * len(runs), f"{len(begun)} executions of {2 * len(runs)} steps")
    # Planning writes nothing down; each claim raises the fence.
    again = Attempt.objects.filter(step_run__run__in=runs, fence__gt=1).count()
    check(not again, f"{again} attempts were claimed more than once")
    return 150
