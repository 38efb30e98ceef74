"""Huey as a doorbell: a message says which attempt may be taken, and nothing depends on it arriving."""

from __future__ import annotations

import threading
from collections import deque
from importlib import import_module
from uuid import UUID

from django.db import transaction

#: set by rings from this process, so that a worker of this process need not wait for its next look at the queue
rung = threading.Condition()
#: attempts that could not be rung for, when this process is a runner: its own workers take them
unrung: deque[UUID] = deque(maxlen=1000)


def ring(attempt_id: UUID) -> None:
    """Let a worker know that an attempt is queued. A failure is only slow: runners look for such attempts."""
    if not import_module("stepwell.execution.queueing").send(attempt_id):
        unrung.append(attempt_id)
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
