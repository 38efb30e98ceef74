"""Threads of the runner that deliver what waits in an outbox, so that slow hooks and addresses hold up nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import close_old_connections, connections

from stepwell.kit.steady import AWAY

log = logging.getLogger(__name__)
#: how often an outbox is looked at
_LOOK_SECONDS = 1.0


class Courier(threading.Thread):
    """Calls ``deliver`` again and again until ``stop`` is set."""

    def __init__(self, name: str, deliver: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self.stop = threading.Event()
        self._deliver = deliver

    def run(self) -> None:
        while not self.stop.wait(_LOOK_SECONDS):
            try:
                self._deliver()
            except AWAY as exc:
                log.warning("Deliveries (%s) wait for the database: %s", self.name, str(exc).strip())
                close_old_connections()
            except Exception:
                # Boundary of the thread: a database that is away for a moment must not end it.
                log.exception("A round of deliveries (%s) failed; the next one is tried.", self.name)
                close_old_connections()
        connections.close_all()
