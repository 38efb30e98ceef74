"""What people and programs send: filters, messages of browsers, frames of steps. Understood, or refused in words."""

from __future__ import annotations

import struct

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from stepwell.core.plan import StepOptions
from stepwell.engine.protocol import FrameError, FrameSocket, frame_pair
from stepwell.errors import UsageError
from stepwell.execution import calls
from stepwell.execution.calls import Asker
from stepwell.execution.claims import Claim
from stepwell.live.wire import BadMessage, Request, parse
from stepwell.runs.models import Run
from stepwell.web import run_filters, run_query
from tests import factories
from tests.fuzz.inputs import corpus, inputs, often

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def check_filters(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    for query in (QueryDict(text, mutable=True), text):
        try:
            asked = run_query.read(query) if isinstance(query, str) else query
            filters = run_filters.read(asked)
        except UsageError:
            continue
        list(filters.apply(Run.objects.all())[:2])
        assert run_filters.read(run_query.read(run_query.write(filters))) == filters


@pytest.mark.django_db
def test_kept_filters_are_read_or_refused() -> None:
    for content in corpus("filters"):
        check_filters(content)


@pytest.mark.django_db
@often(250)
@given(content=inputs("filters"))
def test_filters_are_read_or_refused(content: bytes) -> None:
    check_filters(content)


def check_message(text: str) -> None:
    try:
        found: Request | BadMessage = parse(text)
    except BadMessage as exc:
        found = exc
    if isinstance(found, BadMessage):
        assert found.code in {1003, 1007, 1008, 1009}
    else:
        assert 0 <= found.after <= 2**62


def test_kept_messages_are_read_or_refused() -> None:
    for content in corpus("messages"):
        check_message(content.decode("utf-8", "surrogateescape"))


@often(400)
@given(content=inputs("messages"))
def test_messages_of_browsers_are_read_or_refused(content: bytes) -> None:
    check_message(content.decode("utf-8", "surrogateescape"))


def check_frames(content: bytes) -> None:
    raw, peer = frame_pair()
    channel = FrameSocket(peer)
    try:
        raw.sendall(content)
        raw.close()
        while (frame := channel.receive(1)) is not None:
            assert isinstance(frame, dict)
    except FrameError:
        pass
    finally:
        channel.close()
        raw.close()


def framed(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def test_kept_frames_are_read_or_refused() -> None:
    for content in corpus("frames"):
        check_frames(content)
        check_frames(framed(content))


@often(200)
@given(content=inputs("frames"), is_framed=st.booleans())
def test_frames_of_steps_are_read_or_refused(content: bytes, is_framed: bool) -> None:
    check_frames(framed(content) if is_framed else content)


@pytest.fixture
def asker(db: None) -> Asker:
    run = factories.make_run(status="running")
    step = factories.make_step(run, "train", status="running", options=StepOptions(secrets=["mine"]))
    return Asker(claim=Claim(attempt=step.attempts.get(), step=step, owner_id=step.id, fence=0))


@often(150)
@given(operation=st.sampled_from(sorted(calls._OPERATIONS)) | st.text(max_size=10), arguments=JSON, number=JSON)
def test_whatever_a_step_asks_is_answered(asker: Asker, operation: str, arguments: object, number: object) -> None:
    answer = calls.answer_frame({"t": "call", "id": number, "op": operation, "arguments": arguments}, asker=asker)

    assert answer["t"] == "answer"
    assert ("error" in answer) != ("result" in answer)
