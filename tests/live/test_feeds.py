"""Mailboxes are bounded, and what does not fit is kept where it is stored."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest

from stepwell.live import boxes, feeds
from stepwell.live.boxes import Mailbox
from stepwell.live.feeds import RunFeed
from stepwell.live.wire import Topic, TopicKind
from tests.live import seed


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def drain(box, loop):
    """Return every message in the mailbox, as its socket would take them."""
    loop.run_until_complete(asyncio.sleep(0))
    messages = []
    while box._queue.qsize():
        messages.append(json.loads(loop.run_until_complete(box.take())))
    return [message for message in messages if message["type"] != "beat"]


@pytest.fixture
def feed(db):
    return RunFeed(Topic(TopicKind.RUN, UUID(seed.make_run()["run"])))


def story(messages):
    return [event["seq"] for message in messages for event in message["events"]]


def test_a_full_mailbox_gets_no_more_and_goes_on_where_it_stopped(feed, loop, monkeypatch):
    monkeypatch.setattr(boxes, "MAX_MESSAGES", 3)
    slow, quick = Mailbox(loop), Mailbox(loop)
    feed.join(slow, 0)
    feed.join(quick, 0)
    got = []
    for number in range(10):
        seed.tell(run=str(feed.topic.id), numbers=[number])
        feed.pump(float(number), stored=True)
        got += drain(quick, loop)
    assert story(got) == list(range(1, 12))
    stopped = drain(slow, loop)
    assert len(stopped) <= 3
    # Nothing new is stored: the feed itself knows that this socket is behind.
    feed.pump(100.0, stored=False)
    assert story(stopped + drain(slow, loop)) == list(range(1, 12))


def test_a_mailbox_that_stays_full_too_long_is_told_to_resync(feed, loop, monkeypatch):
    monkeypatch.setattr(boxes, "MAX_MESSAGES", 2)
    monkeypatch.setattr(feeds, "MAX_EVENTS_BEHIND", 5)
    slow = Mailbox(loop)
    feed.join(slow, 0)
    for number in range(12):
        seed.tell(run=str(feed.topic.id), numbers=[number])
        feed.pump(float(number), stored=True)
    drain(slow, loop)
    feed.pump(100.0, stored=False)
    assert drain(slow, loop) == [{"type": "resync", "topic": str(feed.topic), "at": 13}]


def test_sockets_at_the_same_place_share_one_read(feed, loop, django_assert_num_queries):
    boxes = [Mailbox(loop) for _ in range(20)]
    for box in boxes:
        feed.join(box, 0)
    with django_assert_num_queries(3):
        # the run's head, its events, its beats
        feed.pump(0.0, stored=True)
    assert all(story(drain(box, loop)) == [1] for box in boxes)


def test_a_story_with_a_hole_is_loaded_anew(feed, loop):
    seed.tell(run=str(feed.topic.id), numbers=[1, 2, 3])
    feeds.RunEvent.objects.filter(run_id=feed.topic.id, seq=2).delete()
    box = Mailbox(loop)
    feed.join(box, 1)
    feed.pump(0.0, stored=True)
    assert drain(box, loop)[0]["type"] == "resync"


def test_a_mailbox_whose_loop_is_gone_takes_nothing(loop):
    box = Mailbox(loop)
    loop.close()
    box.put("{}")
    assert not box.has_room
