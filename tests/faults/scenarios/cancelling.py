"""Cancelling while something else happens."""

from __future__ import annotations

import random
import threading
import time

from stepwell.execution.actions import RunFinished
from stepwell.runs.models import Attempt
from tests.faults.scenarios import scenario
from tests.faults.stage import Stage, check


@scenario("F42 F43", limit=150)
def cancel_against_finish(stage: Stage) -> int:
    """Runs are cancelled at every moment of their life: one end each, nothing begins after the cancellation."""
    draw = random.Random(7)
    runners = [stage.runner(), stage.runner()]
    told: dict[object, float] = {}
    refused = []

    def person(part: list[object]) -> None:
        from django.db import connection

        for run in part:
            time.sleep(draw.uniform(0, 1.0))
            try:
                stage.cancel(run)
                told[run.id] = time.monotonic()  # type: ignore[attr-defined]
            except RunFinished:
                refused.append(run)
        connection.close()

    people = []
    for _ in range(12):
        runs = stage.start_many(2, "small", seconds=0.02)
        people.append(threading.Thread(target=person, args=(runs,)))
        people[-1].start()
        time.sleep(0.15)
    for one in people:
        one.join()
    stage.wait(seconds=60)
    for run in stage.runs():
        wanted = {"cancelled"} if run.id in told else {"completed"}
        check(run.status in wanted, f"#{run.number} is {run.status}, wanted {wanted}")
    for line in stage.ledger():
        ids = {str(run_id): when for run_id, when in told.items()}
        if line[0] == "begin" and line[1] in ids:
            # A process that was being started when the request was stored may come to its first line.
            check(float(line[5]) < ids[line[1]] + 1.0, f"{line[2]} began after its run was cancelled")
    check("deadlock" not in "".join(runner.said() for runner in runners), "two transactions waited for each other")
    stage.figures["cancelled"] = f"{len(told)} of {len(stage.accepted)}"
    return len(stage.accepted)


@scenario("F43")
def cancel_what_waits(stage: Stage) -> int:
    """Cancelling runs that are queued or wait for a retry, with and without a runner: at an end within 2 s."""
    queued = stage.start("small")
    stage.cancel(queued)
    check(stage.status(queued) == "cancelled", f"queued: {stage.status(queued)}")
    stage.runner()
    retrying = stage.start("flaky", failures=9)
    stage.until(lambda: stage.step_status(retrying, "failing") == "retrying", "it waits for a retry")
    stage.cancel(retrying)
    check(stage.status(retrying) == "cancelled", f"retrying: {stage.status(retrying)}")
    time.sleep(1.5)
    check(not Attempt.objects.filter(status__in=("queued", "running")).exists(), "an attempt was made afterwards")
    return 2


@scenario("F44")
def cancel_while_runner_dead(stage: Stage) -> None:
    """A run is cancelled while its runner is dead: it ends as cancelled when a runner is back."""
    runner = stage.runner()
    run = stage.start("small", seconds=20.0)
    stage.until_noted("begin")
    runner.kill()
    stage.cancel(run)
    stage.runner()
    stage.wait(seconds=15)
    check(stage.status(run) == "cancelled", stage.status(run))
