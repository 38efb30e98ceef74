"""Huey as a doorbell: a message says which attempt may be taken, and nothing depends on it arriving."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from huey import PriorityRedisExpireHuey, SqliteHuey
from huey.api import Huey
from huey.exceptions import HueyException
from huey.registry import Message
from huey.serializer import Serializer

from stepwell.core import failpoints

log = logging.getLogger(__name__)

TASK = "attempt"
_REDIS_SECONDS = 3
#: after the queue's server failed, until it is asked again
_ASK_AGAIN_SECONDS = 2.0


class JsonSerializer(Serializer):
    """Messages as JSON: whoever can write the queue cannot make a runner run code."""

    def _serialize(self, message: Any) -> bytes:
        if not isinstance(message, Message):
            raise TypeError(f"Only messages go through the queue, not {type(message).__name__}.")
        return json.dumps({"v": 1, "id": message.id, "attempt": message.args[0]}).encode()

    def _deserialize(self, content: bytes) -> Message:
        if len(content) > 1000:
            raise ValueError(f"A queue message of {len(content)} bytes is not ours.")
        body = json.loads(content)
        if body.get("v") != 1:
            raise ValueError("A queue message is not of version 1.")
        return Message(
            id=str(body["id"]),
            name=f"{__name__}.{TASK}",
            retries=0,
            retry_delay=0,
            args=(str(UUID(body["attempt"])),),
            kwargs={},
        )


def make_huey() -> Huey:
    """Return the queue: Redis by ``REDIS_URL``, else a file in the data folder."""
    options: dict[str, Any] = {"serializer": JsonSerializer(), "results": False, "utc": True, "immediate": False}
    if settings.REDIS_URL:
        return PriorityRedisExpireHuey("stepwell", connection_pool=_redis_connections(), **options)
    return SqliteHuey("stepwell", filename=str(Path(settings.HOME) / "queue.db"), fsync=False, **options)


def _redis_connections() -> Any:
    from redis import ConnectionPool  # noqa: PLC0415 - an extra

    # Longer than a worker waits for a message; a server that does not answer is then as good as gone.
    waits = {"socket_timeout": _REDIS_SECONDS, "socket_connect_timeout": 1, "health_check_interval": 10}
    return ConnectionPool.from_url(settings.REDIS_URL, **waits)


huey = make_huey()
#: set by rings from this process, so that a worker of this process need not wait for its next look at the queue
rung = threading.Condition()


class Outage:
    """Whether the queue's server is away. It is asked again every few seconds, and told of once."""

    def __init__(self) -> None:
        self._until = 0.0
        self._is_told = False

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, exc: Exception) -> None:
        self._until = time.monotonic() + _ASK_AGAIN_SECONDS
        if not self._is_told:
            log.warning("The queue is out of reach, work goes on more slowly without it: %s", str(exc).strip())
        self._is_told = True

    def end(self) -> None:
        if self._is_told:
            log.info("The queue is back.")
        self._is_told, self._until = False, 0.0


outage = Outage()
#: attempts that could not be rung for, when this process is a runner: its own workers take them
unrung: deque[UUID] = deque(maxlen=1000)


def ring(attempt_id: UUID) -> None:
    """Let a worker know that an attempt is queued. A failure is only slow: runners look for such attempts."""
    if not _send(attempt_id):
        unrung.append(attempt_id)
    with rung:
        rung.notify()


def _send(attempt_id: UUID) -> bool:
    if outage.is_on:
        return False
    try:
        failpoints.hit("before_enqueue")
        huey.enqueue(_task_for(attempt_id))
        failpoints.hit("after_enqueue")
    except Exception as exc:
        # Boundary to the queue's server: whatever it raises, the attempt is stored and found by the sweeper.
        outage.begin(exc)
        return False
    return True


def next_task() -> Any:
    """Return the next message of the queue, or None; one that is not ours is dropped, with one line in the log."""
    if outage.is_on:
        return None
    try:
        task = huey.dequeue()
    except (ValueError, KeyError, TypeError, AttributeError, HueyException) as exc:
        log.warning("A message in the queue is not ours and is dropped: %s", str(exc)[:200])
        return None
    except Exception as exc:
        # Boundary to the queue's server, as above.
        outage.begin(exc)
        return None
    outage.end()
    return task


def ring_on_commit(attempt_id: UUID) -> None:
    """Ring once the open transaction is stored."""
    transaction.on_commit(lambda: _answer_or_ring(attempt_id))


#: per thread: the attempts a worker may take over itself instead of ringing for them
_waiting = threading.local()


class AnswerHere:
    """Collect the attempts this thread makes, so that the worker that ended a step takes the next one at once."""

    def __enter__(self) -> list[UUID]:
        _waiting.attempts = []
        return _waiting.attempts

    def __exit__(self, *exc: object) -> None:
        _waiting.attempts = None


def _answer_or_ring(attempt_id: UUID) -> None:
    collected = getattr(_waiting, "attempts", None)
    if collected is None:
        ring(attempt_id)
    else:
        collected.append(attempt_id)


def _task_for(attempt_id: UUID) -> Any:
    return run_attempt_task.s(str(attempt_id))


@huey.task(name=TASK)
def run_attempt_task(attempt_id: str) -> None:
    """Take one attempt. The runner sets ``take``; elsewhere the task is only a name to enqueue."""
    take = huey.take  # type: ignore[attr-defined]
    take(UUID(attempt_id))
