"""Runners that are stopped, cut off from the database, or given a wrong clock."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.faults.proxy import Proxy
from tests.faults.scenarios import scenario
from tests.faults.stage import LEASE, PATIENCE, STEADY, Stage, check


@scenario("F14")
def runner_stopped(stage: Stage) -> int:
    """SIGSTOP of a runner past its lease, a runner elsewhere takes over, SIGCONT: the old result is not taken."""
    first = stage.runner(host="a")
    runs = stage.start_many(2, "patient")
    stage.until_noted("begin", 2)
    stage.runner(host="b")
    first.send(signal.SIGSTOP)
    stage.until_repeated(2)
    first.send(signal.SIGCONT)
    stage.wait()
    check(all(stage.status(run) == "completed" for run in runs), "not all completed")
    return 2


@scenario("F14 F20")
def late_result(stage: Stage) -> None:
    """A runner stores a result only after its lease lapsed and the step was run elsewhere: it is not taken."""
    stage.runner(host="a", failpoint="after_rename_before_commit:sleep=8@2")
    run = stage.start("patient", seconds=0.2, later=9.0)
    stage.until_noted("begin")
    stage.runner(host="b")
    stage.until_repeated(1)
    stage.wait(seconds=40)
    check(stage.status(run) == "completed", stage.status(run))


def _send(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@scenario("F14")
def machine_stopped(stage: Stage) -> int:
    """SIGSTOP of a runner with hosts and steps past the lease, a take-over elsewhere, SIGCONT of all."""
    first = stage.runner(host="a")
    runs = stage.start_many(2, "patient")
    stage.until_noted("begin", 2)
    everything = [first.pid, *(process.pid for process in first.below())]
    stage.runner(host="b")
    _send(everything, signal.SIGSTOP)
    stage.until_repeated(2)
    _send(everything, signal.SIGCONT)
    stage.wait()
    check(all(stage.status(run) == "completed" for run in runs), "not all completed")
    return 2


@scenario("F14 F13")
def slept_alone(stage: Stage) -> None:
    """The only runner sleeps with its steps for three leases: it does not take its own steps back when it wakes."""
    runner = stage.runner()
    run = stage.start("small", seconds=2.0)
    stage.until_noted("begin")
    everything = [*(process.pid for process in runner.below())]
    stage.figures["asleep"] = f"{3 * LEASE:g} s"
    # The step host does not know that it slept, as with a machine: its clock stands still too.
    runner.send(signal.SIGSTOP)
    _send(everything, signal.SIGSTOP)
    time.sleep(3 * LEASE)
    _send([*everything, runner.pid], signal.SIGCONT)
    stage.wait()
    check(stage.status(run) == "completed", stage.status(run))
    check(not stage.charges(), stage.charges())


@scenario("F26", stores=("postgres",))
def partition(stage: Stage) -> int:
    """The network between a runner and the database swallows everything for two leases: it ends its step itself."""
    proxy = _proxy(stage)
    first = stage.runner(host="a", DATABASE_URL=stage.postgres.url("stepwell", port=proxy.port))
    runs = stage.start_many(2, "patient")
    stage.until_noted("begin", 2)
    stage.runner(host="b")
    proxy.mode = "stall"
    stage.until_repeated(2)
    time.sleep(LEASE)
    proxy.mode = "pass"
    stage.wait(seconds=40)
    check(all(stage.status(run) == "completed" for run in runs), "not all completed")
    check(first.is_alive, "the runner that was cut off ended")
    return 2


@scenario("F60 F08", stores=("postgres",))
def half_open(stage: Stage) -> int:
    """Connections die without a word (reset, half-open, cut in an answer, slow) while runs go on: none is charged."""
    proxy = _proxy(stage)
    runner = stage.runner(DATABASE_URL=stage.postgres.url("stepwell", port=proxy.port), **STEADY)
    runs = [stage.start("small", seconds=0.5)]
    for fault in ("reset", "half", "cut", "slow", "reset"):
        runs.append(stage.start("small", seconds=0.5))
        time.sleep(0.4)
        if fault == "cut":
            proxy.cut_after(700)
        elif fault != "reset":
            proxy.mode, proxy.delay = ("half", 0.0) if fault == "half" else ("pass", 0.5)
            time.sleep(LEASE / 3)
            proxy.mode, proxy.delay = "pass", 0.0
        proxy.reset()
        time.sleep(0.5)
    stage.wait(seconds=40)
    check(all(stage.status(run) == "completed" for run in runs), "not all completed")
    check(runner.is_alive, "the runner ended")
    check(not stage.charges(), stage.charges())
    return 5


def _proxy(stage: Stage) -> Proxy:
    proxy = Proxy(stage.postgres.port)
    stage.after(proxy.close)
    return proxy


@scenario("F13")
def clock_jumps(stage: Stage) -> int:
    """The clock of database and machine jumps an hour ahead, back, and two hundred years: nothing is reaped or lost."""
    clock = Path(stage.folder / "clock")
    clock.write_text("0")
    stage.use_clock(clock)
    # Beats are rarer than looks for lapsed leases: the jump is seen by the latter first.
    pace = {"STEPWELL_HEARTBEAT_SECONDS": "3", "STEPWELL_LEASE_SECONDS": "10", "STEPWELL_SWEEP_SECONDS": "0.1"}
    stage.runner(failpoint=f"clock:is={clock}", **pace)
    for jump in (3600, -3600, 200 * 365 * 86400):
        runs = [stage.start("small", seconds=4.0), stage.start("patiently")]
        stage.until_noted_of("begin", runs[0])
        stage.until(lambda: stage.step_status(runs[1], "failing_slowly") == "retrying", "it waits for a retry")  # noqa: B023
        # At once: whoever asks meanwhile is not to find an empty file.
        clock.with_suffix(".new").write_text(str(jump))
        clock.with_suffix(".new").replace(clock)
        began = time.monotonic()
        stage.wait(runs, seconds=25)
        took = time.monotonic() - began
        check(all(stage.status(run) == "completed" for run in runs), f"{jump}: {[stage.status(run) for run in runs]}")
        check(took < PATIENCE * (8 + 5 + 8), f"{jump}: {took:.1f} s")
        check(not stage.charged(), f"{jump}: a live step was reaped")
    return 3
