"""The ordered story of a run: events with a gap-free ``seq``, written in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from stepwell.runs.models import Run, RunEvent

_RAISE_SEQ = "UPDATE runs_run SET next_seq = next_seq + %s, updated_at = %s WHERE id = %s RETURNING next_seq"


def record(run_id: UUID, kind: str, payload: dict[str, Any] | None = None) -> int:
    """Store one event and return its ``seq``. The caller has a transaction open."""
    return record_all(run_id, [(kind, payload or {})])


def record_all(run_id: UUID, events: Iterable[tuple[str, dict[str, Any]]]) -> int:
    """Store events in order and return the last ``seq`` (0 when there were none).

    The row lock on the run serialises writers, so ``seq`` follows commit order on SQLite and Postgres alike.
    """
    rows = list(events)
    if not rows:
        return 0
    now = timezone.now()
    first = _raise_seq(run_id, len(rows), now)
    RunEvent.objects.bulk_create(
        [
            RunEvent(run_id=run_id, seq=first + index, kind=kind, payload=payload)
            for index, (kind, payload) in enumerate(rows)
        ]
    )
    return first + len(rows) - 1


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
