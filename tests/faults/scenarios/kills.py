"""Processes that are killed: a step, its host, a runner, all of them, at named points and at random."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil

from stepwell.core.status import TERMINAL_RUN
from stepwell.runs.models import Attempt, Run
from tests.faults.door import Caller
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


#: two to four minutes alone on two processors; beside other scenarios it may take several times as long
_N_RUNS, _N_AT_ONCE, _MOST_SECONDS = 400, 16, 1200
#: how often each kind is killed, against the others
_KILLED = {"runner": 3, "step": 3, "host": 2, "web": 1}


@scenario("F01 F02 F03 F05", limit=400)
def random_kills(stage: Stage) -> int:
    """kill -9 of a step, a step host, a runner or the web process every 2 to 5 s while 400 runs go on."""
    draw = random.Random(stage.kind)
    caller = Caller(stage)
    runners = [stage.runner(), stage.runner()]
    stage.watch_web()
    killed: Counter[str] = Counter()
    end = time.monotonic() + (60 if stage.is_hurried else _MOST_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(_start_all, stage, caller, end)
        while time.monotonic() < end and not (starting.done() and not _n_live(stage)):
            time.sleep(draw.uniform(2, 5))
            killed[_kill_one(draw, runners, caller.web)] += 1
            runners = [one if one.is_alive else stage.runner(ready=False) for one in runners]
            caller.revive()
        starting.result()
    stage.wait(seconds=60)
    hit = Attempt.objects.filter(step_run__run__in=stage.accepted, status="crashed").count()
    stage.figures |= {"runs": len(stage.accepted), "attempts hit": hit, "asked again": caller.n_asked_again}
    stage.figures |= {f"killed {what}": times for what, times in sorted(killed.items())}
    check(Run.objects.count() == len(stage.accepted), f"{Run.objects.count()} runs were stored")
    check(stage.is_hurried or len(stage.accepted) == _N_RUNS, f"only {len(stage.accepted)} runs in that time")
    return killed.total()


def _start_all(stage: Stage, caller: Caller, end: float) -> None:
    """Start runs whose steps take long enough to be hit, some at a time; every tenth one fails at first by itself."""
    draw = random.Random(stage.kind)
    while len(stage.accepted) < _N_RUNS and time.monotonic() < end:
        if _n_live(stage) >= _N_AT_ONCE:
            time.sleep(0.05)
        elif len(stage.accepted) % 10 == 9:
            stage.start("flaky")
        elif draw.random() < 0.3:
            stage.start("diamond", seconds=0.3)
        else:
            caller.start("small", seconds=0.5)


def _n_live(stage: Stage) -> int:
    return Run.objects.filter(id__in=list(stage.accepted)).exclude(status__in=TERMINAL_RUN).count()


def _kill_one(draw: random.Random, runners: list[Process], web: Process) -> str:
    """Kill one process of a kind that is there, and return the kind."""
    found: dict[str, list[int]] = {"web": [web.pid], "runner": [one.pid for one in runners], "host": [], "step": []}
    for runner in runners:
        for child in runner.below():
            # One that ended a moment ago is none to kill.
            with suppress(psutil.NoSuchProcess):
                found["host" if child.ppid() == runner.pid else "step"].append(child.pid)
    there = [kind for kind, pids in found.items() if pids]
    (what,) = draw.choices(there, [_KILLED[kind] for kind in there])
    kill(draw.choice(found[what]))
    for one in (*runners, web):
        one.popen.poll()
    return what


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
