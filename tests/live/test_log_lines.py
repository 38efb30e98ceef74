"""The lines of a log reach a socket whole, once, and as safe HTML."""

from __future__ import annotations

import re
import threading
from html import unescape

import pytest

from stepwell.engine.logfile import LogReader, LogWriter
from stepwell.live.logs import LogFeed
from stepwell.live.wire import Topic
from tests.live.tab import WAIT_SECONDS, Deaf, Tab


@pytest.fixture
def session(server):
    return server.hand("tests.live.seed:sign_in")["session"]


@pytest.fixture
def ids(server):
    return server.hand("tests.live.seed:make_run")


@pytest.fixture
def write(server, ids):
    def write_text(text):
        return server.hand("tests.live.seed:print_lines", run=ids["run"], attempt=ids["attempt"], text=text)

    return write_text


def lines(messages):
    """Return (number, text) of the whole lines in the messages."""
    html = "".join(message["html"] for message in messages if message["type"] == "log")
    found = re.findall(r'id="L(\d+)".*?<span>(.*?)</span></div>', html)
    return [(int(number), unescape(re.sub("<[^>]*>", "", text))) for number, text in found]


def test_lines_stored_before_and_after_the_question_arrive_once(session, server, ids, write):
    write("one\ntwo\n")
    with Tab(server, session) as tab:
        tab.ask(f"log:{ids['attempt']}")
        found = tab.collect("log", lambda found: len(lines(found)) >= 2)
        end = write("three\n")
        found += tab.collect("log", len)
    assert lines(found) == [(1, "one"), (2, "two"), (3, "three")]
    assert [message["first_line"] for message in found] == [1, 3]
    assert found[-1]["to"] == end


def test_cuts_lose_and_repeat_no_line_and_count_every_byte(session, server, ids):
    hand = server.new_hand()
    expected = [f"line {number} " + "x" * (number % 300) for number in range(1, 4001)]

    def work():
        for at in range(0, 4000, 40):
            text = "\n".join(expected[at : at + 40]) + "\n"
            # In two halves that do not end with a line.
            for part in (text[: len(text) // 2], text[len(text) // 2 :]):
                hand("tests.live.seed:print_lines", run=ids["run"], attempt=ids["attempt"], text=part)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        got, cursor = [], 0
        while len(got) < 4000:
            tab = Tab(server, session)
            tab.ask(f"log:{ids['attempt']}", after=cursor)
            wanted = min(500, 4000 - len(got))
            messages = tab.collect("log", lambda found, wanted=wanted: len(lines(found)) >= wanted)
            assert [message["from"] for message in messages] == [cursor, *(m["to"] for m in messages[:-1])]
            got += lines(messages)
            cursor = messages[-1]["to"]
            tab.cut()
    finally:
        writer.join()
        hand.close()
    assert got == list(enumerate(expected, 1))
    assert cursor == sum(len(line) + 1 for line in expected)


def test_a_line_without_an_end_is_shown_and_then_replaced_by_the_whole(session, server, ids, write):
    with Tab(server, session) as tab:
        tab.ask(f"log:{ids['attempt']}")
        write("first\nloading: 10%")
        found = tab.collect("log", lambda found: bool(found and found[-1]["partial"]))
        assert lines(found) == [(1, "first")]
        assert 'id="L2"' in found[-1]["partial"]
        write(" 100%\n")
        found = tab.collect("log", lambda found: bool(lines(found)))
    assert lines(found) == [(2, "loading: 10% 100%")]
    assert found[-1]["partial"] == ""


def test_what_a_program_prints_is_never_markup(session, server, ids, write):
    write("<img src=x onerror=alert(1)>\x1b[31mred\x1b[0m \x1b]8;;javascript:alert(1)\x07go\x1b]8;;\x07\n")
    with Tab(server, session) as tab:
        tab.ask(f"log:{ids['attempt']}")
        html = tab.collect("log", len)[0]["html"]
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert '<span class="a31">red</span>' in html
    assert "<img" not in html
    assert "javascript" not in html


def test_levels_are_marked(session, server, ids, write):
    write("2026-01-01 ERROR it broke\nfine\n")
    with Tab(server, session) as tab:
        tab.ask(f"log:{ids['attempt']}")
        html = tab.collect("log", len)[0]["html"]
    assert 'id="L1" data-level="error"' in html
    assert '<div class="line" id="L2"><a' in html


def test_a_page_that_is_far_behind_is_moved_to_the_end(session, server, ids, write):
    for _ in range(10):
        end = write(("y" * 99 + "\n") * 10_000)
    with Tab(server, session) as tab:
        tab.ask(f"log:{ids['attempt']}")
        resync = tab.receive()
        found = tab.collect("log", lambda found: bool(found) and found[-1]["to"] == end)
    assert resync["type"] == "resync"
    assert found[0]["from"] == resync["at"] > end - 1024 * 1024
    assert found[0]["first_line"] == resync["line"] == resync["at"] // 100 + 1
    assert lines(found)[-1][0] == 100_000


def test_a_cursor_beyond_the_end_is_set_right(session, server, ids, write):
    write("short\n")
    with Tab(server, session) as tab:
        tab.ask(f"log:{ids['attempt']}", after=10_000)
        assert tab.receive()["type"] == "resync"
        assert lines(tab.collect("log", lambda found: bool(lines(found)))) == [(1, "short")]


def test_every_listener_gets_every_line(session, server, ids, write):
    tabs = [Tab(server, session).__enter__() for _ in range(5)]
    for tab in tabs:
        tab.ask(f"log:{ids['attempt']}")
    write("for all\n")
    for tab in tabs:
        assert lines(tab.collect("log", lambda found: bool(lines(found)))) == [(1, "for all")]
        tab.__exit__(None, None, None)


def test_a_browser_that_stops_reading_slows_no_one_and_is_cut_off(session, server, ids, write):
    with Deaf(server, session, f"log:{ids['attempt']}") as deaf, Tab(server, session) as quick:
        quick.ask(f"log:{ids['attempt']}")
        got = []
        for _ in range(3):
            write(("z" * 99 + "\n") * 4000)
            got += quick.collect("log", lambda found: sum(message["lines"] for message in found) >= 4000)
        assert sum(message["lines"] for message in got) == 12_000
        assert deaf.is_cut_off(within=WAIT_SECONDS)


def test_a_round_reads_nothing_written_after_it_began(tmp_path):
    writer = LogWriter(tmp_path / "a.log", cap_bytes=1024 * 1024)
    writer.write(b"one\ntwo\n")
    writer.flush()
    reader = LogReader(tmp_path / "a.log")
    began_with = reader.n_bytes
    writer.write(b"three\n")
    writer.flush()

    chunk = LogFeed(Topic("log", None))._read(reader, 0, began_with)

    assert (chunk.to, chunk.n_lines) == (began_with, 2)
    writer.seal()
