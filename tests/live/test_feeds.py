"""Mailboxes are bounded, and what does not fit is kept where it is stored."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest

from stepwell.live import boxes, desk, feeds
from stepwell.live.boxes import Mailbox
from stepwell.live.desk import MeFeed
from stepwell.live.feeds import RunFeed
from stepwell.live.wire import Topic, TopicKind
from stepwell.runs.models import Run
from tests import factories
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


def test_nobody_is_told_numbers_older_than_their_page(db, loop, monkeypatch):
    monkeypatch.setattr(desk, "_counted", (float("-inf"), {}))
    one, other = (MeFeed(Topic(TopicKind.ME, factories.make_user().pk)) for _ in range(2))
    one.join(Mailbox(loop), 0)
    one.pump(10.0, stored=True)
    # Counted a moment ago, and not true any more.
    run = factories.make_run(status="failed")
    Run.objects.filter(pk=run.pk).update(is_unresolved=True)
    box = Mailbox(loop)
    other.join(box, 0)
    told = []
    for now in (10.1, 10.2, 10.3, 10.45, 10.9):
        other.pump(now, stored=now == 10.1)
        told += [message["counts"]["unresolved"] for message in drain(box, loop)]
    assert told == [1]


def test_numbers_that_change_all_the_time_are_told_and_the_last_ones_too(db, loop, monkeypatch):
    monkeypatch.setattr(desk, "_counted", (float("-inf"), {}))
    people = []
    for _ in range(20):
        feed, box = MeFeed(Topic(TopicKind.ME, factories.make_user().pk)), Mailbox(loop)
        feed.join(box, 0)
        people.append((feed, box, []))
    n = 0
    for tick in range(300):
        if tick < 200 and tick % 5 == 0:
            Run.objects.filter(pk=factories.make_run(status="failed").pk).update(is_unresolved=True)
            n += 1
        for feed, box, told in people:
            feed.pump(10 + tick * 0.02, stored=tick < 200)
            told += [message["counts"]["unresolved"] for message in drain(box, loop)]
    assert n == 40
    for _, _, told in people:
        assert told[-1] == n
        assert len(told) > 5
        assert told == sorted(told)
