"""Huey as a doorbell: a message says which attempt may be taken, and nothing depends on it arriving."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from huey import PriorityRedisExpireHuey, SqliteHuey
from huey.api import Huey
from huey.registry import Message
from huey.serializer import Serializer

log = logging.getLogger(__name__)

TASK = "attempt"


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
        return PriorityRedisExpireHuey("stepwell", url=settings.REDIS_URL, **options)
    return SqliteHuey("stepwell", filename=str(Path(settings.HOME) / "queue.db"), fsync=False, **options)


huey = make_huey()
#: set by rings from this process, so that a worker of this process need not wait for its next look at the queue
rung = threading.Condition()


def ring(attempt_id: UUID) -> None:
    """Let a worker know that an attempt is queued. A failure is only slow: the sweeper rings again."""
    from_here = _task_for(attempt_id)
    try:
        huey.enqueue(from_here)
    except Exception:
        # Boundary to the queue's server: whatever it raises, the attempt is stored and found by the sweeper.
        log.warning("The queue is out of reach; attempt %s is found by the next sweep.", attempt_id)
        return
    with rung:
        rung.notify()


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
