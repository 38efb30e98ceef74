"""The web process: killed in the middle of a request, and up while everything behind it is not."""

from __future__ import annotations

import time
from uuid import UUID

import httpx

from stepwell.runs.models import Run
from tests.faults.door import open_door
from tests.faults.scenarios import scenario
from tests.faults.stage import Stage, check
from tests.faults.stores import free_port


def post_run(client: httpx.Client, key: str) -> httpx.Response:
    body = {"parameters": {"seconds": 0.0}}
    return client.post("/api/v1/pipelines/small/runs", json=body, headers={"Idempotency-Key": key})


@scenario("F05")
def web_killed_in_post(stage: Stage) -> int:
    """kill -9 of the web process between storing a run and answering: the repeated request finds the same run."""
    _, steady = open_door(stage)
    for index, point in enumerate(("before_enqueue", "after_enqueue")):
        web, client = open_door(stage, failpoint=f"{point}:kill9@1")
        try:
            post_run(client, f"key-{index}")
        except httpx.HTTPError:
            web.popen.wait(10)
        check(not web.is_alive, "the web process lives")
        answers = [post_run(steady, f"key-{index}") for _ in range(2)]
        ids = {answer.json()["id"] for answer in answers}
        check(len(ids) == 1 and all(answer.is_success for answer in answers), f"{[a.text[:200] for a in answers]}")
        stage.accepted.add(UUID(ids.pop()))
    check(Run.objects.count() == 2, f"{Run.objects.count()} runs were made of 2 requests")
    stage.runner()
    stage.wait()
    return 2


@scenario("F06 F22", limit=120)
def web_stays_up(stage: Stage) -> int:
    """Runners are killed, database and queue restart: the web answers, or says 503 and when to come again."""
    runner = stage.runner()
    visitor = stage.watch_web()
    for _ in range(2):
        stage.start("small", seconds=0.5)
        time.sleep(0.5)
        runner.kill()
        runner = stage.runner(ready=False)
        if stage.postgres is not None:
            stage.postgres.stop()
            stage.redis.stop()
            before = len(visitor.seen)
            stage.until(lambda: visitor.has_seen(503, after=before), "it says 503")  # noqa: B023
            stage.redis.start()
            stage.postgres.start()
        time.sleep(2)
    stage.wait(seconds=40)
    check(visitor.seen[-1][1] < 400, f"at the end {visitor.seen[-1]}")
    return len(visitor.seen)


@scenario("F02 F28")
def supervisor_killed(stage: Stage) -> None:
    """kill -9 of `stepwell up` while a step with a tree of processes runs: nothing of it is left after 15 s."""
    import psutil

    port = free_port()
    up = stage.process("up", "--port", str(port))
    run = stage.start("tree", seconds=60.0, deaf=True)
    stage.until_noted("ready", seconds=60)
    everything = up.below()
    up.kill()
    began = time.monotonic()
    _, alive = psutil.wait_procs(everything, timeout=15)
    stage.figures["gone after"] = f"{time.monotonic() - began:.1f} s"
    check(not alive, f"still there: {[one.pid for one in alive]}")
    stage.cancel(run)
    stage.runner()
    stage.wait()
