"""Databases that restart, forget to answer, and let two things happen at once."""

from __future__ import annotations

import threading
import time

from tests.faults import oracle
from tests.faults.scenarios import scenario
from tests.faults.stage import LEASE, STEADY, Stage, check


@scenario("F06", stores=("postgres",), limit=150)
def database_restarts(stage: Stage) -> int:
    """Postgres restarts without a word, five times, away for a second each: no step is charged, nothing runs twice."""
    # An outage has to be shorter than the lease less five seconds.
    first, second = stage.runner(**STEADY), stage.runner(**STEADY)
    runs = stage.start_many(4, "small", seconds=1.0)
    stage.until_noted("begin", 2)
    for _ in range(5):
        stage.postgres.stop()
        time.sleep(1)
        stage.postgres.start()
        time.sleep(2)
        runs.append(stage.steadily(lambda: stage.start("small", seconds=1.0)))
    stage.wait(seconds=40)
    check(all(stage.status(run) == "completed" for run in runs), f"{[stage.status(run) for run in runs]}")
    check(first.is_alive and second.is_alive, "a runner ended")
    check(not stage.charges(), stage.charges())
    return 5


@scenario("F06 F60", stores=("postgres",))
def database_away(stage: Stage) -> int:
    """Postgres is away for two leases: the steps are ended, handed back when it is there again, and not charged."""
    for _ in range(2):
        stage.runner(STEPWELL_LEASE_SECONDS=str(2 * LEASE))
    runs = stage.start_many(3, "patient")
    stage.until_noted("begin", 3)
    stage.postgres.stop()
    early = stage.runner(ready=False)
    time.sleep(4 * LEASE)
    check(not oracle.left_by(set(), stage.begun()), "steps run on that nobody can hold")
    stage.postgres.start()
    stage.until(lambda: "is ready with" in early.said() or not early.is_alive, "a runner that began meanwhile is ready")
    check(early.is_alive, f"a runner does not wait for its database: {early.said()[-500:]}")
    stage.wait(seconds=40)
    check(all(stage.status(run) == "completed" for run in runs), f"{[stage.status(run) for run in runs]}")
    check(not stage.charges(), stage.charges())
    return 3


@scenario("F07")
def answers_lost(stage: Stage) -> int:
    """Every tenth write of a runner is stored and its answer lost: as if nothing had happened."""
    for nth in (1, 2):
        early = stage.runner(failpoint=f"commit:execute_then_raise@{nth}", STEPWELL_SWEEP_SECONDS="9", **STEADY)
        check(early.is_alive, f"without an answer to its write {nth} a runner does not start: {early.said()[-500:]}")
        early.kill()
        (stage.folder / "counts" / "commit").unlink()
    runner = stage.runner(failpoint="commit:execute_then_raise%10", **STEADY)
    runs = [*stage.start_many(8, "small", seconds=0.1), stage.start("diamond"), stage.start("flaky", failures=1)]
    stage.wait(seconds=60)
    check(runner.is_alive, "the runner ended")
    check(all(stage.status(run) == "completed" for run in runs), f"{[stage.status(run) for run in runs]}")
    check(not stage.charges(), stage.charges())
    return 10


@scenario("F07")
def writes_refused(stage: Stage) -> int:
    """Every tenth write of a runner fails before it is stored: it is done again, and nothing is charged."""
    runner = stage.runner(failpoint="commit:raise_db%10", **STEADY)
    runs = [*stage.start_many(8, "small", seconds=0.1), stage.start("diamond"), stage.start("flaky", failures=1)]
    stage.wait(seconds=60)
    check(runner.is_alive, "the runner ended")
    check(all(stage.status(run) == "completed" for run in runs), f"{[stage.status(run) for run in runs]}")
    check(not stage.charges(), stage.charges())
    return 10


@scenario("F09", limit=120)
def many_writers(stage: Stage) -> int:
    """Three runners and four people who start runs at once: no error of the database comes out."""
    runners = [stage.runner() for _ in range(3)]
    problems: list[Exception] = []

    def person() -> None:
        from django.db import connection

        for _ in range(8):
            try:
                stage.start("small", seconds=0.0)
            except Exception as exc:  # whatever it is, it is what a person would have seen
                problems.append(exc)
        connection.close()

    people = [threading.Thread(target=person) for _ in range(4)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    stage.wait(seconds=80)
    check(not problems, f"{problems[:2]}")
    said = "".join(runner.said() for runner in runners)
    told = [said[at : at + 2000] for word in ("locked", "Traceback") if (at := said.find(word)) >= 0]
    check(not told, f"a runner told of an error: {told}")
    return 32


@scenario("F59 F52", limit=120)
def ends_together(stage: Stage) -> int:
    """Steps that end at the same moment on three runners, each a part of what the next waits for."""
    runners = [stage.runner() for _ in range(3)]
    runs = stage.start_many(6, "diamond", seconds=0.05)
    stage.wait(seconds=80)
    check(all(stage.status(run) == "completed" for run in runs), f"{[stage.status(run) for run in runs]}")
    said = "".join(runner.said() for runner in runners)
    check("deadlock" not in said, "two transactions waited for each other")
    check("stood still" not in said, "a run stood still until the reaper went on with it")
    return 6 * 4


@scenario("F08", stores=("postgres",))
def row_blocked(stage: Stage) -> None:
    """Somebody holds the rows of a run and its attempts for ten seconds: its step is not charged."""
    import psycopg

    stage.runner(STEPWELL_LEASE_SECONDS="30")
    run = stage.start("small", seconds=0.5)
    stage.until_noted("begin")
    with psycopg.connect(stage.postgres.url("stepwell")) as other:
        other.execute("SELECT id FROM runs_attempt FOR UPDATE")
        other.execute("SELECT id FROM runs_run FOR UPDATE")
        time.sleep(10)
    stage.wait()
    check(stage.status(run) == "completed", stage.status(run))
    check(not stage.charges(), stage.charges())
