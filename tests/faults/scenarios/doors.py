"""The web process: killed in the middle of a request, and up while everything behind it is not."""

from __future__ import annotations

import threading
import time
from uuid import UUID

import httpx

from stepwell.accounts import tokens
from stepwell.accounts.models import Role, User
from stepwell.runs.models import Run
from tests.faults.scenarios import scenario
from tests.faults.stage import Process, Stage, check
from tests.faults.stores import free_port


def open_door(stage: Stage, *, failpoint: str = "") -> tuple[Process, httpx.Client]:
    """Start a web process; return it with a client that has an operator's token."""
    port = free_port()
    web = stage.process("web", "--host", "127.0.0.1", "--port", str(port), failpoint=failpoint)
    user, _ = User.objects.get_or_create(username="faults", defaults={"role": Role.OPERATOR})
    _, token = tokens.make_token(user=user, name=f"faults-{port}", role=Role.OPERATOR)
    headers = {"Authorization": f"Bearer {token}"}
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20, trust_env=False)
    stage.after(client.close)
    stage.until(lambda: _answers(client), "the web process answers", seconds=40)
    return web, client


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


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
    _, client = open_door(stage)
    seen: list[tuple[str, int, float, bool]] = []
    ended = threading.Event()

    def visit() -> None:
        while not ended.wait(0.1):
            for path in ("/healthz", "/api/v1/runs", "/"):
                began = time.monotonic()
                answer = client.get(path)
                seen.append((path, answer.status_code, time.monotonic() - began, "Retry-After" in answer.headers))

    visitor = threading.Thread(target=visit)
    visitor.start()
    for _ in range(2):
        stage.start("small", seconds=0.5)
        time.sleep(0.5)
        runner.kill()
        runner = stage.runner(ready=False)
        if stage.postgres is not None:
            stage.postgres.stop()
            stage.redis.stop()
            before = len(seen)
            stage.until(lambda: any(one[1] == 503 for one in seen[before:]), "it says 503")  # noqa: B023
            stage.redis.start()
            stage.postgres.start()
        time.sleep(2)
    stage.wait(seconds=40)
    ended.set()
    visitor.join()
    health = sorted(seconds for path, status, seconds, _ in seen if path == "/healthz")
    stage.figures["healthz, slowest of 95 %"] = f"{health[int(len(health) * 0.95)] * 1000:.0f} ms"
    fine = {(200, False), (302, False), (503, True)}
    odd = {(path, status) for path, status, _, told in seen if (status, told) not in fine}
    check(not odd, f"answers {odd}")
    check(seen[-1][1] < 400, f"at the end {seen[-1]}")
    return len(seen)


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
