"""The story of a run reaches a socket whole, in order and once."""

from __future__ import annotations

import threading

import pytest

from tests.live.tab import Tab

UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def session(server):
    return server.hand("tests.live.seed:sign_in")["session"]


@pytest.fixture
def run(server):
    return server.hand("tests.live.seed:make_run")["run"]


def seqs(messages):
    return [event["seq"] for message in messages for event in message["events"]]


def statuses(messages):
    return [(row["id"], row["status"]) for message in messages for row in message["rows"]]


def test_a_socket_gets_what_follows_its_cursor_and_then_what_comes(server, session, run):
    server.hand("tests.live.seed:tell", run=run, numbers=[1, 2, 3])
    with Tab(server, session) as tab:
        tab.ask(f"run:{run}", after=2)
        stored = tab.collect("events", lambda found: len(seqs(found)) >= 2)
        server.hand("tests.live.seed:tell", run=run, numbers=[4, 5])
        live = tab.collect("events", lambda found: len(seqs(found)) >= 2)
    assert seqs(stored + live) == [3, 4, 5, 6]
    assert [event["payload"]["number"] for message in stored + live for event in message["events"]] == [2, 3, 4, 5]
    assert stored[0]["from"] == 2
    assert all(first["to"] == second["from"] for first, second in zip(stored, live, strict=False))


def test_cut_connections_neither_lose_nor_repeat_an_event(server, session, run):
    hand = server.new_hand()
    writer = threading.Thread(
        target=hand, args=("tests.live.seed:tell",), kwargs={"run": run, "numbers": list(range(150)), "each": 0.01}
    )
    writer.start()
    try:
        got: list[int] = []
        while len(got) < 151:
            tab = Tab(server, session)
            tab.ask(f"run:{run}", after=got[-1] if got else 0)
            # Cut in the middle of the stream again and again; what was on its way is lost with the socket.
            messages = tab.collect("events", lambda found: len(seqs(found)) >= 20 or seqs(found)[-1:] == [151])
            got += seqs(messages)
            tab.cut()
    finally:
        writer.join()
        hand.close()
    assert got == list(range(1, 152))


def test_a_page_that_is_far_behind_is_told_to_load_itself_anew(server, session, run):
    last = server.hand("tests.live.seed:tell_many", run=run, n=6000)
    with Tab(server, session) as tab:
        tab.ask(f"run:{run}", after=1)
        assert tab.receive() == {"type": "resync", "topic": f"run:{run}", "at": last}
        server.hand("tests.live.seed:tell", run=run, numbers=[7])
        assert seqs([tab.receive()]) == [last + 1]


def test_a_cursor_from_another_story_is_set_right(server, session, run):
    with Tab(server, session) as tab:
        tab.ask(f"run:{run}", after=999)
        assert tab.receive()["at"] == 1


def test_many_events_come_in_parts_without_a_gap(server, session, run):
    server.hand("tests.live.seed:tell_many", run=run, n=1200)
    with Tab(server, session) as tab:
        tab.ask(f"run:{run}")
        messages = tab.collect("events", lambda found: len(seqs(found)) >= 1201)
    assert seqs(messages) == list(range(1, 1202))
    assert len(messages) > 2


def test_a_socket_that_left_a_topic_hears_no_more_of_it(server, session, run):
    with Tab(server, session) as tab:
        tab.ask(f"run:{run}", after=1)
        tab.send({"type": "unsub", "topic": f"run:{run}"})
        tab.ask(f"run:{UNKNOWN}")
        assert tab.receive()["type"] == "gone"
        server.hand("tests.live.seed:tell", run=run, numbers=[1])
        with pytest.raises(TimeoutError):
            tab.receive(0.5)


def test_beats_and_progress_reach_the_page(server, session):
    ids = server.hand("tests.live.seed:make_run")
    with Tab(server, session) as tab:
        tab.ask(f"run:{ids['run']}", after=1)
        tab.collect("beat", len)
        server.hand("tests.live.seed:beat", attempt=ids["attempt"], progress={"done": 3, "total": 10})
        (message,) = tab.collect("beat", len)
    assert message["attempts"][ids["attempt"]]["progress"] == {"done": 3, "total": 10}
    assert message["attempts"][ids["attempt"]]["beat_at"]


def test_the_list_hears_of_every_changed_run(server, session, run):
    with Tab(server, session) as tab:
        tab.ask("runs")
        first = tab.collect("rows", lambda found: (run, "running") in statuses(found))
        assert {"running": 1} in [row["steps"] for row in first[-1]["rows"] if row["id"] == run]
        server.hand("tests.live.seed:set_status", run=run, status="completed")
        found = tab.collect(
            "rows",
            lambda found: any(row["id"] == run and row["status"] == "completed" for m in found for row in m["rows"]),
        )
        cursor = found[-1]["to"]
    server.hand("tests.live.seed:set_status", run=run, status="failed")
    with Tab(server, session) as tab:
        tab.ask("runs", after=cursor)
        found = tab.collect("rows", len)
    assert (run, "failed") in statuses(found)
    assert (run, "completed") not in statuses(found)
