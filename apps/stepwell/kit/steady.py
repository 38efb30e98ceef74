"""Work with a database that may be away for a moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connections

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 1.0
#: what a database that is away, restarts, is full or locked raises
AWAY = (OperationalError, InterfaceError)


def keep_connections() -> None:
    """Keep one connection per thread open: opening one per attempt costs more than the attempt's writes.

    No pool: after an outage it waits longer and longer between its tries, while a step's lease runs out.
    """
    database = connections["default"]
    database.close()
    database.settings_dict["CONN_MAX_AGE"] = None
    database.settings_dict["OPTIONS"] = {**database.settings_dict["OPTIONS"]}
    database.settings_dict["OPTIONS"].pop("pool", None)


def steadily(work: Callable[[], Answer], *, seconds: float, what: str) -> Answer:
    """Do ``work``, again while the database is away, for at most ``seconds``. It must be safe to repeat.

    Raises:
        OperationalError: The database did not come back in time.
        InterfaceError: Likewise.
    """
    deadline = time.monotonic() + seconds
    wait = _FIRST_WAIT
    while True:
        try:
            return work()
        except AWAY as exc:
            close_old_connections()
            if time.monotonic() + wait > deadline:
                raise
            log.warning("%s waits for the database: %s", what, str(exc).strip())
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
