"""The hub: one thread per web process that notices news and posts it to every socket that listens.

It has a database connection of its own, looks only while someone listens, and sleeps on an event otherwise. Sockets
talk to it through a queue of orders, so feeds and cursors belong to its thread alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from django.db import DatabaseError, connection

from stepwell.kit import gauges
from stepwell.live.boxes import Mailbox
from stepwell.live.desk import MeFeed
from stepwell.live.feeds import Feed, RunFeed
from stepwell.live.logs import LogFeed
from stepwell.live.news import News
from stepwell.live.rows import RowsFeed
from stepwell.live.wire import Topic, TopicKind

log = logging.getLogger(__name__)

#: seconds between two looks while someone listens
TICK_SECONDS = 0.02
#: seconds to wait after the database or a file could not be read
BACK_OFF_SECONDS = 1.0

_FEEDS: dict[TopicKind, type[Feed]] = {
    TopicKind.RUN: RunFeed,
    TopicKind.LOG: LogFeed,
    TopicKind.RUNS: RowsFeed,
    TopicKind.ME: MeFeed,
}


@dataclass(frozen=True, slots=True)
class _Order:
    """What a socket asks for; no ``topic`` means all of its topics, no ``after`` that it leaves."""

    mailbox: Mailbox
    topic: Topic | None
    after: int | None


class Hub:
    """Posts what is new in each topic to the mailboxes that subscribed to it."""

    def __init__(self) -> None:
        self._orders: deque[_Order] = deque()
        self._wake = threading.Event()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._feeds: dict[Topic, Feed] = {}
        self._news = News()

    def subscribe(self, mailbox: Mailbox, topic: Topic, after: int) -> None:
        """Post to ``mailbox`` all that follows ``after`` in ``topic``; asked again, the cursor is set anew."""
        self._start()
        self._order(_Order(mailbox, topic, after))

    def unsubscribe(self, mailbox: Mailbox, topic: Topic) -> None:
        self._order(_Order(mailbox, topic, None))

    def leave(self, mailbox: Mailbox) -> None:
        """Forget a socket."""
        self._order(_Order(mailbox, None, None))

    def tick(self, now: float) -> None:
        """Carry out what sockets asked for, then read and post what is new; ``now`` is a monotonic clock in seconds."""
        self._take_orders()
        if not self._feeds:
            return
        stored = self._news.has_changed(now)
        for topic, feed in list(self._feeds.items()):
            feed.pump(now, stored=stored)
            if feed.is_gone:
                del self._feeds[topic]

    def _order(self, order: _Order) -> None:
        self._orders.append(order)
        self._wake.set()

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="live-hub", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.clear()
            pause = self._round()
            self._wake.wait(pause)

    def _round(self) -> float | None:
        """Do one tick and return how long to sleep; None until someone comes."""
        began = time.monotonic()
        try:
            self.tick(began)
        except (DatabaseError, OSError):
            log.exception("The live hub could not read; it tries again.")
            connection.close()
            return BACK_OFF_SECONDS
        except Exception:
            # A feed with a bug must not leave pages that look live and are not: they reconnect and ask again.
            log.exception("The live hub failed; its sockets are closed.")
            self._give_up()
        gauges.values["hub_round_seconds"] = time.monotonic() - began
        gauges.values["hub_topics"] = len(self._feeds)
        if self._feeds:
            return TICK_SECONDS
        connection.close()
        return None

    def _take_orders(self) -> None:
        while self._orders:
            order = self._orders.popleft()
            if order.topic is None:
                for topic in list(self._feeds):
                    self._part(order.mailbox, topic)
            elif order.after is None:
                self._part(order.mailbox, order.topic)
            elif not order.mailbox.is_closed:
                feed = self._feeds.get(order.topic) or _FEEDS[order.topic.kind](order.topic)
                self._feeds[order.topic] = feed
                feed.join(order.mailbox, order.after)

    def _part(self, mailbox: Mailbox, topic: Topic) -> None:
        if feed := self._feeds.get(topic):
            feed.leave(mailbox)
            if not feed.subscriptions:
                del self._feeds[topic]

    def _give_up(self) -> None:
        mailboxes = {mailbox for feed in self._feeds.values() for mailbox in feed.subscriptions}
        self._feeds.clear()
        for mailbox in mailboxes:
            mailbox.close()


#: the hub of this process
hub = Hub()
