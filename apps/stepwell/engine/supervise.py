"""Driving supervisions: one per thread, or many in the one thread of a script."""

from __future__ import annotations

import logging
import math
import os
import select
import time
from collections.abc import Iterator

from stepwell.engine.pace import Pace
from stepwell.engine.ports import Outcome
from stepwell.engine.supervision import Supervision

__all__ = ["Group", "Pace", "Supervision", "supervise"]

logger = logging.getLogger("stepwell.engine")


class Group:
    """Attempts supervised together in one thread. A watcher may ``add`` more while it is called."""

    def __init__(self) -> None:
        self._running: list[Supervision] = []
        self._wake = -1

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[Supervision]:
        return iter(list(self._running))

    def add(self, supervision: Supervision) -> None:
        """Start an attempt and watch over it."""
        self._running.append(supervision)
        supervision.start()

    def open_bell(self) -> None:
        """Let other threads end a wait of ``run_once`` with ``ring``."""
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        """From any thread: end the wait that is on now, or the next one."""
        os.eventfd_write(self._wake, 1)

    def run_once(self, timeout: float | None = None) -> list[Supervision]:
        """Wait until there is something to do, at most ``timeout`` seconds, do it, and return those that finished."""
        ready = self._wait(timeout)
        now = time.monotonic()
        for supervision in list(self._running):
            if supervision in ready or supervision.wake_at() <= now:
                _step(supervision, now)
        finished = [supervision for supervision in self._running if supervision.finished]
        self._running = [supervision for supervision in self._running if not supervision.finished]
        return finished

    def _wait(self, timeout: float | None) -> set[Supervision]:
        poll = select.poll()
        owners = {}
        for supervision in self._running:
            for descriptor in supervision.filenos():
                owners[descriptor] = supervision
                poll.register(descriptor, select.POLLIN)
        if self._wake >= 0:
            poll.register(self._wake, select.POLLIN)
        due = [supervision.wake_at() for supervision in self._running]
        wait = max(0.0, min(due) - time.monotonic()) if due else 0.0
        if timeout is not None:
            wait = min(wait, timeout) if due else timeout
        ready = [descriptor for descriptor, _ in poll.poll(math.ceil(wait * 1000))]
        if self._wake in ready:
            os.eventfd_read(self._wake)
        return {owners[descriptor] for descriptor in ready if descriptor != self._wake}


def supervise(supervision: Supervision) -> Outcome:
    """Start an attempt, watch over it in this thread until its process is gone, and return how it ended."""
    group = Group()
    group.add(supervision)
    while group:
        group.run_once()
    assert supervision.outcome is not None
    return supervision.outcome


def _step(supervision: Supervision, now: float) -> None:
    try:
        supervision.step(now)
    except Exception as error:  # whatever it is, no process may be left without a supervisor
        logger.exception("The supervision of attempt %s failed", supervision.spec.attempt_id)
        supervision.abandon(f"the supervision failed: {error!r}")
