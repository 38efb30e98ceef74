"""Deploys: runners that are asked to stop, politely and less so, while work goes on."""

from __future__ import annotations

import signal
import time

from tests.faults.scenarios import scenario
from tests.faults.stage import PATIENCE, STEADY, Stage, check


@scenario("F15")
def stopped_in_time(stage: Stage) -> None:
    """SIGTERM while a step needs less than the grace: it completes, nothing else begins, exit code 0."""
    runner = stage.runner(STEPWELL_GRACE_SECONDS="12", **STEADY)
    run = stage.start("small", seconds=1.5)
    stage.until_noted("begin")
    runner.send(signal.SIGTERM)
    check(runner.exit_code(60) == 0, f"exit code {runner.popen.returncode}")
    check([attempt.status for attempt in stage.attempts(run, "first")] == ["completed"], "the step did not complete")
    check(len(stage.until_noted("begin")) == 1, "another step began")
    check("Traceback" not in runner.said(), "a traceback")
    stage.runner(**STEADY)
    stage.wait()
    check(stage.status(run) == "completed" and not stage.charged(), "not completed without charge")


@scenario("F16")
def stopped_too_early(stage: Stage) -> None:
    """SIGTERM while a step needs longer than the grace: handed back, not charged, run again by the next runner."""
    runner = stage.runner(**STEADY)
    run = stage.start("small", seconds=4.0)
    stage.until_noted("begin")
    runner.send(signal.SIGTERM)
    check(runner.exit_code(60) == 0, f"exit code {runner.popen.returncode}")
    first = stage.attempts(run, "first")
    check([attempt.status for attempt in first] == ["interrupted", "queued"], f"{[one.status for one in first]}")
    stage.runner(**STEADY)
    stage.wait()
    check(stage.status(run) == "completed" and not stage.charged(), "not completed without charge")


@scenario("F17", limit=120)
def signals(stage: Stage) -> int:
    """Two SIGTERMs with a step that ignores them, SIGINT, SIGHUP, SIGTERM in the start: each ends in order, at once."""
    for numbers, most in (((signal.SIGTERM, signal.SIGTERM), 9), ((signal.SIGINT,), 12), ((signal.SIGHUP,), 12)):
        # Who is not in a hurry has the grace, twice.
        runner = stage.runner(STEPWELL_GRACE_SECONDS="40" if len(numbers) > 1 else "1")
        run = stage.start("tree", seconds=60.0, deaf=True)
        stage.until_noted_of("ready", run)
        began = time.monotonic()
        for number in numbers:
            runner.send(number)
            time.sleep(0.2)
        check(runner.exit_code(20) == 0, f"{numbers}: exit code {runner.popen.returncode}")
        took = time.monotonic() - began
        stage.figures["+".join(number.name for number in numbers)] = f"{took:.1f} s"
        check(took < PATIENCE * most, f"{numbers}: took {took:.1f} s")
        statuses = [attempt.status for attempt in stage.attempts(run, "parent")]
        check(statuses == ["interrupted", "queued"], f"{numbers}: {statuses}")
        check("Traceback" not in runner.said(), f"{numbers}: a traceback")
        stage.cancel(run)
    for wait in (0.05, 0.3, 0.6, 1.0, 1.5):
        early = stage.runner(ready=False)
        time.sleep(wait)
        early.send(signal.SIGTERM)
        check(early.exit_code(20) in (0, -signal.SIGTERM), f"SIGTERM after {wait} s: {early.popen.returncode}")
        check("Traceback" not in early.said(), f"SIGTERM after {wait} s: {early.said()[-500:]}")
    stage.runner()
    stage.wait()
    return 8


@scenario("F15 F16", limit=150)
def deploys_under_load(stage: Stage) -> int:
    """Runners are replaced by SIGTERM every second and a half while 60 runs go on: nothing is lost or charged."""
    current = [stage.runner(**STEADY), stage.runner(**STEADY)]
    stage.start_many(60, "small", seconds=0.15)
    replaced = 0
    deadline = time.monotonic() + 60
    while replaced < 10 and time.monotonic() < deadline:
        time.sleep(1.5)
        old = current.pop(0)
        current.append(stage.runner(ready=False, **STEADY))
        old.send(signal.SIGTERM)
        replaced += 1
    stage.wait(seconds=70)
    runs = [stage.status(run) for run in stage.runs()]
    check(set(runs) == {"completed"}, f"{set(runs)}")
    check(not stage.charges(), stage.charges())
    return replaced


# An embedded database is brought up to date by whoever starts first.
@scenario("F39", stores=("postgres",))
def older_schema(stage: Stage) -> None:
    """A runner of a newer version refuses to start on an older schema, with one line, and leaves the work alone."""
    from django.db import connection

    run = stage.start("small", seconds=0.0)
    with connection.cursor() as cursor:
        newest = "SELECT max(name) FROM django_migrations WHERE app = 'runs'"
        cursor.execute(f"DELETE FROM django_migrations WHERE app = 'runs' AND name = ({newest})")
    refused = stage.runner(ready=False)
    check(refused.exit_code(15) == 1, f"exit code {refused.popen.returncode}")
    check("older than this program" in refused.said() and "Traceback" not in refused.said(), refused.said()[-300:])
    stage.forget(run)
