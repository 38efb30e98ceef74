"""Telling a watcher what happened, in order, again when it fails, for a bounded time."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("stepwell.engine")

_FIRST_WAIT = 0.1
_MAX_WAIT = 1.0
#: tries for news that may be missed; the result is tried until its time is over
_TRIES = 4


@dataclass(slots=True)
class _Delivery:
    call: Callable[[], object]
    #: what is delivered, for messages
    name: str
    is_result: bool
    tries: int = 0
    not_before: float = 0.0
    first_at: float | None = None


class Deliveries:
    """A queue of calls to a watcher. One that fails is tried again before any later one."""

    def __init__(self, *, patience: float, give_up: Callable[[str, Exception, bool], None]) -> None:
        self._queue: deque[_Delivery] = deque()
        self._patience = patience
        self._give_up = give_up

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def next_at(self) -> float | None:
        """When the next try is due, on the caller's clock."""
        return self._queue[0].not_before if self._queue else None

    def add(self, name: str, call: Callable[[], object], *, is_result: bool = False) -> None:
        self._queue.append(_Delivery(call, name, is_result))

    def clear(self) -> None:
        self._queue.clear()

    def push(self, now: float) -> None:
        """Make the calls that are due. ``give_up`` hears of one that is not tried any more."""
        while self._queue and self._queue[0].not_before <= now:
            delivery = self._queue[0]
            try:
                delivery.call()
            except Exception as error:  # the watcher is foreign code: a store that is away, a bug
                if not self._is_over(delivery, now):
                    return
                logger.exception("Could not deliver %s", delivery.name)
                if self._queue and self._queue[0] is delivery:
                    self._queue.popleft()
                self._give_up(delivery.name, error, delivery.is_result)
            else:
                if self._queue and self._queue[0] is delivery:
                    self._queue.popleft()

    def _is_over(self, delivery: _Delivery, now: float) -> bool:
        delivery.tries += 1
        delivery.first_at = now if delivery.first_at is None else delivery.first_at
        if delivery.is_result:
            over = now - delivery.first_at >= self._patience
        else:
            over = delivery.tries >= _TRIES
        if not over:
            logger.warning("Could not deliver %s, trying again", delivery.name, exc_info=True)
            delivery.not_before = now + min(_MAX_WAIT, _FIRST_WAIT * 2 ** (delivery.tries - 1))
        return over
