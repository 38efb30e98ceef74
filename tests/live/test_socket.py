"""Who may open a socket, and what happens to one that misbehaves."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
from websockets.exceptions import InvalidStatus

from stepwell.live import door
from tests.live.tab import Tab, opening

UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def session(server):
    return server.hand("tests.live.seed:sign_in")["session"]


def refusal(server, **options):
    with pytest.raises(InvalidStatus) as error, opening(server, **options):
        pass
    return error.value.response.status_code


def opens(server, session) -> bool:
    try:
        with opening(server, session=session, origin=server.url):
            return True
    except InvalidStatus:
        return False


def wait_until(holds) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline


def test_no_one_listens_without_signing_in(server):
    assert refusal(server, origin=server.url) == 403
    assert refusal(server, origin=server.url, session="no-such-session") == 403


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "http://127.0.0.1.evil.example",
        "https://{host}",
        "http://127.0.0.1:1",
        "http://localhost",
        "http://[",
        "http://{host}/path",
        "file://",
    ],
)
def test_only_our_own_pages_open_a_socket(server, session, origin):
    if origin:
        origin = origin.replace("{host}", server.url.removeprefix("http://"))
    assert refusal(server, session=session, origin=origin) == 403


def test_another_path_is_refused(server, session):
    assert refusal(server, session=session, origin=server.url, path="/ws/other/") == 403


def test_a_switched_off_person_is_refused_and_an_open_socket_ends(server):
    person = server.hand("tests.live.seed:sign_in")
    with Tab(server, person["session"]) as tab:
        server.hand("tests.live.seed:switch_off", name=person["name"])
        assert tab.close_code() == 4401
    assert refusal(server, session=person["session"], origin=server.url) == 403


def test_a_socket_ends_when_its_session_does_and_the_others_stay(server, session):
    person = server.hand("tests.live.seed:sign_in")
    with Tab(server, session) as other, Tab(server, person["session"]) as tab:
        server.hand("tests.live.seed:end_session", session=person["session"])
        assert tab.close_code() == 4401
        other.ask(f"run:{UNKNOWN}")
        assert other.receive() == {"type": "gone", "topic": f"run:{UNKNOWN}"}


def test_a_person_is_out_within_5_seconds_whatever_number_of_sockets_there_is(django_assert_num_queries, db):
    assert door.RECHECK_SECONDS <= 5
    with django_assert_num_queries(1):
        assert door.still_allowed({f"{number:032x}" for number in range(200)}) == set()


@pytest.mark.parametrize(
    "message, code",
    [
        (b"\x00\x01binary", 1003),
        ("no json", 1007),
        ("[" * 4000, 1007),
        ("[]", 1008),
        ("{}", 1008),
        ('{"type":"shout"}', 1008),
        ('{"type":"sub"}', 1008),
        ('{"type":"sub","topic":"run:1"}', 1008),
        ('{"type":"sub","topic":"users"}', 1008),
        ('{"type":"sub","topic":["runs"]}', 1008),
        ('{"type":"sub","topic":"runs","after":-1}', 1008),
        ('{"type":"sub","topic":"runs","after":true}', 1008),
        ('{"type":"sub","topic":"runs","after":1e9}', 1008),
        ('{"type":"sub","topic":"runs","after":' + "9" * 40 + "}", 1008),
        ('{"type":"sub","topic":"runs","more":1}', 1008),
        ('{"type":"sub","topic":"runs","pad":"' + "x" * 5000 + '"}', 1009),
        ("x" * 200_000, 1009),
    ],
    ids=lambda value: str(value)[:40],
)
def test_garbage_ends_the_socket_and_not_the_server(server, session, message, code):
    with Tab(server, session) as tab:
        tab.connection.send(message)
        assert tab.close_code() == code
    with Tab(server, session) as tab:
        tab.ask(f"run:{UNKNOWN}")
        assert tab.receive() == {"type": "gone", "topic": f"run:{UNKNOWN}"}


def test_a_flood_of_messages_ends_the_socket(server, session):
    with Tab(server, session) as tab:
        for _ in range(200):
            tab.send({"type": "unsub", "topic": "runs"})
        assert tab.close_code() == 1008


def test_a_socket_has_a_bounded_number_of_topics(server, session):
    with Tab(server, session) as tab:
        for number in range(65):
            tab.ask(f"run:{number:08d}-0000-7000-8000-000000000000")
        assert tab.close_code() == 1008


def test_a_person_has_a_bounded_number_of_sockets_and_another_is_unharmed(server, session):
    other = server.hand("tests.live.seed:sign_in")["session"]
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(opening(server, session=session, origin=server.url))
        assert refusal(server, session=session, origin=server.url) == 403
        with Tab(server, other):
            pass
    wait_until(lambda: opens(server, session))


@pytest.mark.parametrize("topic", [f"run:{UNKNOWN}", f"log:{UNKNOWN}"])
def test_a_topic_that_is_not_there_is_gone(server, session, topic):
    with Tab(server, session) as tab:
        tab.ask(topic)
        assert tab.receive() == {"type": "gone", "topic": topic}


def test_the_server_tells_its_time(server, session):
    with Tab(server, session) as tab:
        assert '"type":"ping"' in tab.connection.recv(timeout=5)
        assert '"type":"ping"' in tab.connection.recv(timeout=5)
