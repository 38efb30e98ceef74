"""The ordered story of a run: events with a gap-free ``seq``, written in the transaction of what they tell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from stepwell.kit.prepared import Insert
from stepwell.runs.models import Run, RunEvent

_RAISE_SEQ = "UPDATE runs_run SET next_seq = next_seq + %s, updated_at = %s WHERE id = %s RETURNING next_seq"


#: in this process: called with a run's id once events of it are stored
listeners: list[Callable[[UUID], None]] = []
#: per thread: run -> the events its open transaction has to tell, stored together at its end
_told = threading.local()


@contextmanager
def one_transaction() -> Iterator[None]:
    """Open a transaction, and store the events recorded in it together, as its last statements."""
    if getattr(_told, "events", None) is not None:
        yield
        return
    _told.events = {}
    try:
        with transaction.atomic():
            yield
            for run_id, rows in _told.events.items():
                _store(run_id, rows)
    finally:
        _told.events = None


def record(run_id: UUID, kind: str, payload: dict[str, Any] | None = None) -> None:
    """Tell one event. The caller has a transaction open, ``one_transaction`` where there are several."""
    told = getattr(_told, "events", None)
    if told is None:
        _store(run_id, [(kind, payload or {})])
    else:
        told.setdefault(run_id, []).append((kind, payload or {}))


def _store(run_id: UUID, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Store events in order.

    The row lock on the run serialises writers, so ``seq`` follows commit order on SQLite and Postgres alike.
    """
    now = timezone.now()
    first = _raise_seq(run_id, len(rows), now)
    _NEW(
        *(
            RunEvent(run_id=run_id, seq=first + index, kind=kind, payload=payload)
            for index, (kind, payload) in enumerate(rows)
        )
    )
    for listener in listeners:
        transaction.on_commit(partial(listener, run_id))


_NEW = Insert(RunEvent)


def _raise_seq(run_id: UUID, count: int, now: Any) -> int:
    with connection.cursor() as cursor:
        parameters = [
            count,
            Run._meta.get_field("updated_at").get_db_prep_save(now, connection),
            Run._meta.pk.get_db_prep_value(run_id, connection),
        ]
        cursor.execute(_RAISE_SEQ, parameters)
        row = cursor.fetchone()
    if row is None:
        raise Run.DoesNotExist(f"There is no run {run_id}.")
    return int(row[0]) - count
