"""What is read for one topic: everything after a cursor, once for all sockets that stand at the same place.

A subscription keeps its own cursor and moves it only with what was put into its mailbox, so a socket that is slow, or
comes back, gets exactly what follows: the database and the log files are the buffer. Feeds belong to the hub's thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stepwell.core.status import AttemptStatus
from stepwell.live.boxes import Mailbox
from stepwell.live.wire import Topic, write
from stepwell.runs.models import Attempt, Run, RunEvent

#: events in one message
EVENTS_PER_MESSAGE = 500
#: a page further behind than this is told to load itself anew
MAX_EVENTS_BEHIND = 5000


@dataclass(slots=True, eq=False)
class Subscription:
    """One socket's place in one topic."""

    mailbox: Mailbox
    cursor: int
    #: a log's bytes it was shown: beyond its cursor when they end in the middle of a line
    seen: int = 0
    #: a snapshot (beats) this socket has yet to get
    is_new: bool = True


class Feed:
    """The sockets listening to one topic. Subclasses say how to find and read what is new."""

    #: seconds between two reads
    pace = 0.0
    #: whether it only reads when the database changed
    is_stored = True

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.subscriptions: dict[Mailbox, Subscription] = {}
        #: something was left unread: a full mailbox, or more than fits in one message
        self.is_behind = True
        self.is_gone = False
        self._next_pump = 0.0

    def join(self, mailbox: Mailbox, after: int) -> None:
        self.subscriptions[mailbox] = Subscription(mailbox, after, seen=after)
        self.is_behind = True

    def leave(self, mailbox: Mailbox) -> None:
        self.subscriptions.pop(mailbox, None)

    def pump(self, now: float, *, stored: bool) -> None:
        """Send what is new; ``stored`` says the database changed since the last call."""
        if stored and self.is_stored:
            self.is_behind = True
        if now < self._next_pump or (self.is_stored and not self.is_behind):
            return
        self._next_pump = now + self.pace
        self.is_behind = False
        self.send_news()

    def send_news(self) -> None:
        raise NotImplementedError

    def with_room(self, subscriptions: list[Subscription]) -> list[Subscription]:
        """Return those that can take a message; the others are tried again at the next pump."""
        ready = [subscription for subscription in subscriptions if subscription.mailbox.has_room]
        if len(ready) < len(subscriptions):
            self.is_behind = True
        return ready

    def by_cursor(self) -> dict[int, list[Subscription]]:
        groups: dict[int, list[Subscription]] = defaultdict(list)
        for subscription in self.subscriptions.values():
            groups[subscription.cursor].append(subscription)
        return groups

    def say_gone(self) -> None:
        """Tell every socket that there is no such thing, and end the feed."""
        self.put(self.subscriptions.values(), write("gone", topic=str(self.topic)))
        self.subscriptions.clear()
        self.is_gone = True

    def resync(self, subscriptions: list[Subscription], at: int, **fields: Any) -> None:
        """Move cursors to ``at`` and have the pages load themselves anew; what follows ``at`` comes as usual."""
        self.put(subscriptions, write("resync", topic=str(self.topic), at=at, **fields), cursor=at)

    def put(self, subscriptions: Iterable[Subscription], text: str, *, cursor: int | None = None) -> None:
        """Post one message to many sockets and move their cursors with it."""
        for subscription in subscriptions:
            subscription.mailbox.put(text)
            if cursor is not None:
                subscription.cursor = cursor


class RunFeed(Feed):
    """The events of one run, by seq, and the beats of its running attempts."""

    #: seconds between two looks at the beats
    beat_pace = 0.5

    def __init__(self, topic: Topic) -> None:
        super().__init__(topic)
        self._beats: dict[str, Any] = {}
        self._beats_due = True
        self._next_beats = 0.0

    def join(self, mailbox: Mailbox, after: int) -> None:
        super().join(mailbox, after)
        self._beats_due = True

    def pump(self, now: float, *, stored: bool) -> None:
        super().pump(now, stored=stored)
        self._beats_due = self._beats_due or stored
        if self._beats_due and now >= self._next_beats and not self.is_gone:
            self._beats_due = False
            self._next_beats = now + self.beat_pace
            self.send_beats()

    def send_news(self) -> None:
        head = Run.objects.filter(id=self.topic.id).values_list("next_seq", flat=True).first()
        if head is None:
            self.say_gone()
            return
        for cursor, members in self.by_cursor().items():
            if cursor != head - 1 and (ready := self.with_room(members)):
                self._send_events(ready, cursor, head - 1)

    def _send_events(self, ready: list[Subscription], cursor: int, head: int) -> None:
        if cursor > head or head - cursor > MAX_EVENTS_BEHIND:
            self.resync(ready, head)
            return
        rows = RunEvent.objects.filter(run_id=self.topic.id, seq__gt=cursor).order_by("seq")
        events = list(rows.values("seq", "kind", "at", "payload")[:EVENTS_PER_MESSAGE])
        if not events or events[0]["seq"] != cursor + 1:
            self.resync(ready, head)
            return
        for event in events:
            event["at"] = event["at"].isoformat()
        last = events[-1]["seq"]
        text = write("events", topic=str(self.topic), **{"from": cursor, "to": last}, events=events)
        self.put(ready, text, cursor=last)
        self.is_behind = self.is_behind or last < head

    def send_beats(self) -> None:
        """Send the beats that changed, and all of them to a socket that is new."""
        beats = read_beats(self.topic)
        changed = {key: beat for key, beat in beats.items() if self._beats.get(key) != beat}
        self._beats = beats
        for members, attempts in (
            ([one for one in self.subscriptions.values() if one.is_new], beats),
            ([one for one in self.subscriptions.values() if not one.is_new], changed),
        ):
            # A beat that finds no room is not kept: the next one tells the same, later.
            ready = [one for one in members if one.mailbox.has_room]
            if attempts:
                self.put(ready, write("beat", topic=str(self.topic), attempts=attempts))
            for subscription in ready:
                subscription.is_new = False


def read_beats(topic: Topic) -> dict[str, Any]:
    """Return beat and progress of a run's running attempts, by attempt id."""
    running = Attempt.objects.filter(step_run__run_id=topic.id, status=AttemptStatus.RUNNING)
    return {
        str(row["id"]): {"beat_at": row["beat_at"].isoformat() if row["beat_at"] else None, "progress": row["progress"]}
        for row in running.values("id", "beat_at", "progress")
    }
