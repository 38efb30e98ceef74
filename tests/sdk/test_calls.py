"""The line from a step process to its supervisor, with a real socket between the two."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from stepwell import errors
from stepwell.engine.protocol import FrameSocket
from stepwell.sdk import calls

PUBLISHED = {"t": "published", "status": "completed", "error": None}


@pytest.fixture
def supervisor() -> Iterator[FrameSocket]:
    """The other end of the line of this process."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        calls.open_line(FrameSocket(ours))
        try:
            yield FrameSocket(theirs)
        finally:
            calls.close_line()


def answer(number: int, result: Any) -> dict[str, Any]:
    return {"t": "answer", "id": number, "result": result}


def test_a_call_gets_its_own_answer_and_no_older_one(supervisor: FrameSocket) -> None:
    supervisor.send(answer(0, "late"))
    supervisor.send(answer(1, "mine"))

    assert calls.ask("client.runs", limit=3) == "mine"
    sent = supervisor.receive(timeout=5)
    assert sent == {"t": "call", "id": 1, "op": "client.runs", "arguments": {"limit": 3}}


def test_what_became_of_the_result_is_kept_while_a_thread_of_the_step_asks(supervisor: FrameSocket) -> None:
    supervisor.send(PUBLISHED)
    supervisor.send(answer(1, "asked by a thread that was left behind"))

    calls.ask("client.runs")
    supervisor.close()
    assert calls.wait_published({}) == PUBLISHED
    assert calls.wait_published({}) == PUBLISHED


def test_without_a_supervisor_nothing_is_published_and_calls_are_refused(supervisor: FrameSocket) -> None:
    supervisor.close()

    assert calls.wait_published({}) is None
    with pytest.raises(errors.Unavailable, match="line to Stepwell is closed"):
        calls.ask("client.runs")
