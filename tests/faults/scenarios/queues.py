"""Queues that lose, repeat, delay and invent messages, and a Redis that is not there."""

from __future__ import annotations

import sqlite3
import time
from uuid import uuid4

from tests.faults.scenarios import scenario
from tests.faults.stage import PATIENCE, STEADY, SWEEP, Stage, check

_POISON = (
    b"",
    b"\x80\x04\x95 pickle",
    b"[]",
    b"null",
    b'{"v":2,"id":"x","attempt":"y"}',
    b'{"v":1,"id":"x","attempt":"not an id"}',
    b'{"v":1}',
    b'{"v":1,"id":"x","attempt":{"$gt":""}}',
    b"x" * 10_000_000,
)


def push(stage: Stage, *messages: bytes) -> None:
    if stage.redis is not None:
        import redis

        client = redis.Redis(unix_socket_path=str(stage.redis.path))
        for message in messages:
            client.zadd("huey.redis.stepwell", {message: 0})
        return
    with sqlite3.connect(stage.home / "queue.db", timeout=30) as queue:
        queue.executemany("INSERT INTO task (queue, data) VALUES ('stepwell', ?)", [(one,) for one in messages])


def empty(stage: Stage) -> None:
    if stage.redis is not None:
        import redis

        redis.Redis(unix_socket_path=str(stage.redis.path)).flushall()
        return
    with sqlite3.connect(stage.home / "queue.db", timeout=30) as queue:
        queue.execute("DELETE FROM task")


def message(attempt_id: object) -> bytes:
    return f'{{"v":1,"id":"{uuid4()}","attempt":"{attempt_id}"}}'.encode()


@scenario("F19")
def messages_lost(stage: Stage) -> int:
    """The queue is emptied before anybody read it: steps start from the database within the sweep and 5 s."""
    runs = stage.start_many(3, "small", seconds=0.1)
    empty(stage)
    began = time.monotonic()
    stage.runner()
    stage.until_noted("begin")
    took = time.monotonic() - began
    stage.figures["started after"] = f"{took:.1f} s"
    stage.wait()
    check(all(stage.status(run) == "completed" for run in runs), "not all completed")
    check(took < PATIENCE * (5 + SWEEP + 8), f"started after {took:.1f} s")
    return 3


@scenario("F20 F21", quick=True)
def messages_wrong(stage: Stage) -> int:
    """Nine kinds of nonsense, messages of finished, cancelled and unknown steps: dropped with one line each."""
    runner = stage.runner(**STEADY)
    done = stage.start("small", seconds=0.0)
    cancelled = stage.start("small", seconds=0.0)
    stage.cancel(cancelled)
    stage.wait()
    push(stage, *_POISON)
    for run in (done, cancelled):
        push(stage, *(message(attempt.id) for name in (":plan", "first") for attempt in stage.attempts(run, name)))
    push(stage, message(uuid4()))
    before = len(stage.ledger())
    good = stage.start("small", seconds=0.0)
    stage.wait([good])
    check(stage.status(good) == "completed", "the runner does not go on")
    check(len(stage.ledger()) == before + 4, "an ended step ran again")
    check(runner.is_alive and "Traceback" not in runner.said(), "noise in the log")
    return len(_POISON) + 4


@scenario("F22 F19", stores=("postgres",), limit=120)
def redis_away(stage: Stage) -> int:
    """Redis is killed with all it held, stays away while runs are started, and comes back empty."""
    stage.runner()
    runs = stage.start_many(3, "small", seconds=0.5)
    stage.until_noted("begin", 2)
    stage.redis.stop()
    began = time.monotonic()
    runs += stage.start_many(2, "small", seconds=0.1)
    stage.wait(seconds=40)
    stage.figures["five runs without Redis"] = f"{time.monotonic() - began:.1f} s"
    check(all(stage.status(run) == "completed" for run in runs), f"without Redis: {[stage.status(r) for r in runs]}")
    stage.redis.start()
    time.sleep(2.5)
    again = stage.start("small", seconds=0.1)
    stage.wait([again])
    check(stage.status(again) == "completed", "after Redis came back")
    return 2


@scenario("F22", stores=("postgres",), limit=120)
def redis_half_open(stage: Stage) -> None:
    """Redis takes connections and does not answer: work goes on, and nobody waits for long."""
    from tests.faults.proxy import Proxy

    proxy = Proxy(str(stage.redis.path))
    stage.after(proxy.close)
    runner = stage.runner(REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
    first = stage.start("small", seconds=0.2)
    stage.wait([first])
    proxy.mode = "stall"
    runs = stage.start_many(3, "small", seconds=0.2)
    stage.wait(runs, seconds=50)
    check(all(stage.status(run) == "completed" for run in runs), f"half-open: {[stage.status(r) for r in runs]}")
    proxy.mode = "pass"
    proxy.reset()
    again = stage.start("small", seconds=0.1)
    stage.wait([again])
    check(runner.said().count("Traceback") == 0, "noise in the log")
