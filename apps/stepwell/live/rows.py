"""The topic ``runs``: what the rows of lists show of the runs that changed, whole rows each time."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count
from django.utils import timezone

from stepwell.live.boxes import Mailbox
from stepwell.live.feeds import Feed, Subscription
from stepwell.live.wire import Topic, write
from stepwell.runs.models import Run, StepRun

#: a page that missed more rows than this is told to load itself anew
MAX_ROWS = 200
#: seconds a page that has no cursor yet is told of: about what passes between rendering and listening
_FRESH_SECONDS = 60
#: seconds by which Postgres may show a row after another that was stamped later
_OVERLAP_SECONDS = 10

_COLUMNS = ("id", "number", "name", "status", "status_reason", "trigger", "pipeline__name", "pipeline__slug")
_TIMES = ("created_at", "started_at", "ended_at")


class RowsFeed(Feed):
    """Rows of runs changed lately. A cursor is the newest ``updated_at`` that was sent, in milliseconds since 1970."""

    pace = 0.25

    def __init__(self, topic: Topic) -> None:
        super().__init__(topic)
        self._at = _milliseconds(timezone.now())
        self._seen: dict[UUID, tuple[Any, ...]] = {}

    def join(self, mailbox: Mailbox, after: int) -> None:
        super().join(mailbox, after or self._at - _FRESH_SECONDS * 1000)

    def send_news(self) -> None:
        before = self._at
        self._send_shared([one for one in self.subscriptions.values() if one.cursor == before and not one.is_new])
        for cursor, members in self.by_cursor().items():
            late = [one for one in members if one.is_new or cursor < before]
            if late and (ready := self.with_room(late)):
                self._catch_up(ready, cursor)

    def _send_shared(self, members: list[Subscription]) -> None:
        """Send what no one was told yet; who has no room keeps its cursor and catches up later."""
        rows = _rows_since(self._at, overlap=_overlap())
        changed = [row for row in rows if self._seen.get(row["id"]) != _state(row)]
        self._seen = {row["id"]: _state(row) for row in rows}
        if not changed:
            return
        if len(rows) > MAX_ROWS:
            self._at = _newest(rows, self._at)
            self.resync(self.with_room(members), self._at)
            return
        self._at = _newest(rows, self._at)
        self._post(self.with_room(members), changed)

    def _catch_up(self, ready: list[Subscription], cursor: int) -> None:
        rows = _rows_since(cursor, overlap=_overlap())
        for subscription in ready:
            subscription.is_new = False
        if len(rows) > MAX_ROWS:
            self.resync(ready, self._at)
            return
        self._post(ready, rows)

    def _post(self, ready: list[Subscription], rows: list[dict[str, Any]]) -> None:
        steps = _steps([row["id"] for row in rows])
        wire = [_wire(row, steps[row["id"]]) for row in rows]
        # No "from": rows are whole, so a page needs no unbroken chain of them.
        self.put(ready, write("rows", topic=str(self.topic), to=self._at, rows=wire), cursor=self._at)


def _rows_since(at: int, *, overlap: float) -> list[dict[str, Any]]:
    since = datetime.fromtimestamp(at / 1000, UTC) - timedelta(seconds=overlap)
    rows = Run.objects.filter(updated_at__gt=since).order_by("-updated_at")
    return list(rows.values(*_COLUMNS, *_TIMES, "updated_at", "next_seq")[: MAX_ROWS + 1])


def _overlap() -> float:
    # One writer at a time: SQLite shows rows in the order of their stamps (to the millisecond we cut them to).
    return 0.001 if connection.vendor == "sqlite" else _OVERLAP_SECONDS


def _state(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["updated_at"], row["next_seq"], row["status"]


def _newest(rows: list[dict[str, Any]], at: int) -> int:
    return max([at, *(_milliseconds(row["updated_at"]) for row in rows)])


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _steps(run_ids: list[UUID]) -> dict[UUID, dict[str, int]]:
    """Return how many steps of each run are in which status."""
    counts: dict[UUID, dict[str, int]] = defaultdict(dict)
    steps = StepRun.objects.filter(run_id__in=run_ids).order_by().values("run_id", "status")
    for row in steps.annotate(n=Count("id")):
        counts[row["run_id"]][row["status"]] = row["n"]
    return counts


def _wire(row: dict[str, Any], steps: dict[str, int]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "number": row["number"],
        "name": row["name"],
        "pipeline": row["pipeline__name"],
        "slug": row["pipeline__slug"],
        "status": row["status"],
        "status_reason": row["status_reason"],
        "trigger": row["trigger"],
        "steps": steps,
        **{name: row[name].isoformat() if row[name] else None for name in _TIMES},
    }
