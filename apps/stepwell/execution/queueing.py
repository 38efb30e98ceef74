"""The Huey queue: what a message looks like, where it waits, the task it names, and whether its server is away.

Only processes that ring or answer load this: Huey brings the drivers of every queue it knows, which costs a script and
the command line a third of a second.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from stepwell.core import failpoints


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Let modules that are not loaded yet look as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _without("psycopg", *(() if settings.REDIS_URL else ("redis",))):
    from huey import PriorityRedisExpireHuey, SqliteHuey
    from huey.api import Huey
    from huey.consumer import Consumer as Consumer
    from huey.consumer import Scheduler as Scheduler
    from huey.consumer import Worker as HueyWorker  # noqa: F401 - the runner takes it from here
    from huey.exceptions import HueyException
    from huey.registry import Message
    from huey.serializer import Serializer

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


def send(attempt_id: UUID) -> bool:
    """Put the message of an attempt into the queue; False when its server is away."""
    if outage.is_on:
        return False
    try:
        failpoints.hit("before_enqueue")
        huey.enqueue(run_attempt_task.s(str(attempt_id)))
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


@huey.task(name=TASK)
def run_attempt_task(attempt_id: str) -> None:
    """Take one attempt. The runner sets ``take``; elsewhere the task is only a name to enqueue."""
    take = huey.take  # type: ignore[attr-defined]
    take(UUID(attempt_id))
