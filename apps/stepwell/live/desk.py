"""The topic ``me``: the numbers of the frame, and a person's own news."""

from __future__ import annotations

from typing import Any

from stepwell.core.status import RunStatus
from stepwell.desk.models import Notice
from stepwell.live.boxes import Mailbox
from stepwell.live.feeds import Feed, Subscription
from stepwell.live.wire import Topic, write
from stepwell.runs.models import Run, Wait

_MOST_NOTICES = 20
#: seconds for which what everybody sees is counted once
_COUNTED_SECONDS = 0.4
_counted: tuple[float, dict[str, int]] = (float("-inf"), {})


class MeFeed(Feed):
    """Counts when they changed, and notices by id. A cursor is the newest notice's id that was sent; 0 begins now."""

    pace = 0.5

    def __init__(self, topic: Topic) -> None:
        super().__init__(topic)
        self._counts: dict[str, int] = {}
        self._now = 0.0
        #: the first and the latest change, or page, that a count has yet to be newer than
        self._waits_since: float | None = None
        self._changed_at = 0.0

    def join(self, mailbox: Mailbox, after: int) -> None:
        super().join(mailbox, after)
        if not after:
            self.subscriptions[mailbox].cursor = self._newest()

    def pump(self, now: float, *, stored: bool) -> None:
        self._now = now
        if stored or any(one.is_new for one in self.subscriptions.values()):
            self._changed_at = now
            self._waits_since = now if self._waits_since is None else self._waits_since
        super().pump(now, stored=stored)

    def send_news(self) -> None:
        counted_at, shared = everybodys_counts(self._now)
        if self._waits_since is not None and counted_at < self._waits_since:
            # The page may show newer numbers already.
            self.is_behind = True
            self._next_pump = counted_at + _COUNTED_SECONDS
            return
        self._waits_since = self._changed_at if counted_at < self._changed_at else None
        unread = Notice.objects.filter(user_id=self.topic.id, read_at__isnull=True).count()
        counts = {**shared, "unread": unread}
        changed = counts != self._counts
        newest = self._newest()
        for cursor, members in self.by_cursor().items():
            told = [one for one in members if changed or one.is_new or cursor < newest]
            if told and (ready := self.with_room(told)):
                self._post(ready, cursor, counts)
        if not self.is_behind:
            self._counts = counts
        self.is_behind = self.is_behind or self._waits_since is not None

    def _post(self, ready: list[Subscription], cursor: int, counts: dict[str, int]) -> None:
        rows = Notice.objects.filter(user_id=self.topic.id, id__gt=cursor).order_by("id")
        notices = list(rows.values("id", "status", "text", "path")[:_MOST_NOTICES])
        to = notices[-1]["id"] if notices else cursor
        self.put(ready, write("me", topic="me", to=to, counts=counts, notices=notices), cursor=to)
        for subscription in ready:
            subscription.is_new = False

    def _newest(self) -> int:
        return Notice.objects.filter(user_id=self.topic.id).values_list("id", flat=True).first() or 0


def everybodys_counts(now: float) -> tuple[float, dict[str, int]]:
    """Return when what is the same for all was counted, and the counts: once for all who ask at about ``now``."""
    global _counted
    if now - _counted[0] >= _COUNTED_SECONDS:
        running: Any = Run.objects.filter(status__in=[RunStatus.RUNNING, RunStatus.CANCELLING]).count()
        unresolved = Run.objects.filter(is_unresolved=True).count()
        waiting = Wait.objects.filter(status=Wait.Status.OPEN).count()
        _counted = (now, {"running": running, "unresolved": unresolved, "waiting": waiting})
    return _counted
