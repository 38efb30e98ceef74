from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from stepwell.engine import protocol
from stepwell.engine.protocol import FrameError, FrameSocket, frame_pair, pack


@pytest.fixture
def pair() -> Iterator[tuple[FrameSocket, FrameSocket]]:
    left, right = (FrameSocket(sock) for sock in frame_pair())
    yield left, right
    left.close()
    right.close()


def test_frames_arrive_whole_and_in_order_however_the_bytes_come() -> None:
    raw, peer = frame_pair()
    channel = FrameSocket(peer)
    frames = [{"n": number, "text": "é" * number} for number in range(5)]
    received = []

    for byte in b"".join(map(pack, frames)):
        raw.send(bytes([byte]))
        received += channel.drain()

    assert received == frames
    raw.close()
    channel.close()


def test_peer_that_goes_in_the_middle_of_a_frame_is_a_closed_socket() -> None:
    raw, peer = frame_pair()
    channel = FrameSocket(peer)
    raw.send(pack({"t": "beat"}) + pack({"t": "result"})[:-3])
    raw.close()

    assert channel.receive(1) == {"t": "beat"}
    assert channel.receive(1) is None
    assert channel.closed
    channel.close()


def test_frames_sent_before_the_peer_went_are_still_received_after_a_failed_send() -> None:
    raw, peer = frame_pair()
    channel = FrameSocket(peer)
    raw.send(pack({"t": "result"}))
    raw.close()

    channel.send({"t": "stop"})

    assert channel.receive(1) == {"t": "result"}
    channel.close()


def test_oversized_frame_is_refused_on_both_sides_with_its_size(
    pair: tuple[FrameSocket, FrameSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    big = {"text": "x" * 5000}
    left.send(big)
    monkeypatch.setattr(protocol, "MAX_FRAME_BYTES", 1000)

    with pytest.raises(FrameError, match="5,011 bytes is larger than the limit of 1,000"):
        left.send(big)
    with pytest.raises(FrameError, match="5,011 bytes"):
        right.receive(1)
    assert right.closed


@pytest.mark.parametrize("body", [b"not json", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_a_json_object_is_refused(body: bytes) -> None:
    raw, peer = frame_pair()
    channel = FrameSocket(peer)
    raw.send(len(body).to_bytes(4, "big") + body)

    with pytest.raises(FrameError):
        channel.receive(1)
    raw.close()
    channel.close()


def test_value_that_is_not_json_is_refused_before_anything_is_sent(pair: tuple[FrameSocket, FrameSocket]) -> None:
    left, right = pair

    with pytest.raises(FrameError, match="“metadata” frame"):
        left.send({"t": "metadata", "metadata": {1, 2}})
    left.send({"t": "next"})
    assert right.receive(1) == {"t": "next"}


def test_receive_gives_up_after_its_timeout(pair: tuple[FrameSocket, FrameSocket]) -> None:
    begin = time.monotonic()

    assert pair[0].receive(0.1) is None
    assert 0.09 <= time.monotonic() - begin < 1
    assert not pair[0].closed


def test_large_frames_survive_signals_on_both_sides(pair: tuple[FrameSocket, FrameSocket]) -> None:
    left, right = pair
    frame = {"text": "x" * 8_000_000}
    sender = threading.Thread(target=left.send, args=(frame,))
    interrupted = []
    before = signal.signal(signal.SIGALRM, lambda *_: interrupted.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        sender.start()
        received = right.receive(10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    sender.join()

    assert received == frame
    assert interrupted


def test_threads_may_send_through_one_socket(pair: tuple[FrameSocket, FrameSocket]) -> None:
    left, right = pair
    senders = [
        threading.Thread(target=lambda n=n: [left.send({"n": n, "i": i, "pad": "x" * 3000}) for i in range(50)])
        for n in range(4)
    ]
    for sender in senders:
        sender.start()

    received = [right.receive(5) for _ in range(200)]

    for sender in senders:
        sender.join()
    for n in range(4):
        assert [frame["i"] for frame in received if frame and frame["n"] == n] == list(range(50))


def test_post_never_waits_for_a_peer_that_does_not_read(pair: tuple[FrameSocket, FrameSocket]) -> None:
    left, right = pair
    frame = {"text": "x" * 3_000_000}

    left.post(frame)

    assert left.unsent_bytes > 0
    received = []
    deadline = time.monotonic() + 5
    while not received and time.monotonic() < deadline:
        received = right.drain()
        left.push()
    assert received == [frame]
    assert left.unsent_bytes == 0


def test_descriptors_travel_with_their_frames_and_are_closed_on_exec(pair: tuple[FrameSocket, FrameSocket]) -> None:
    left, right = pair
    pipes = [os.pipe() for _ in range(2)]
    for read, _ in pipes:
        left.send({"op": "launch"}, descriptors=(read,))

    frames = right.drain()

    assert len(frames) == 2
    for (read, write), (received,) in zip(pipes, [right.take_descriptors(1), right.take_descriptors(1)], strict=True):
        os.write(write, b"here")
        assert os.read(received, 10) == b"here"
        assert not os.get_inheritable(received)
        for descriptor in (read, write, received):
            os.close(descriptor)
    assert right.take_descriptors(1) == []


def test_descriptors_nobody_took_are_closed_with_the_socket(pair: tuple[FrameSocket, FrameSocket]) -> None:
    left, right = pair
    read, write = os.pipe()
    left.send({"op": "launch"}, descriptors=(write,))
    os.close(write)
    right.drain()

    right.close()

    assert os.read(read, 1) == b""
    os.close(read)


def test_frame_pair_is_a_stream() -> None:
    left, right = frame_pair()
    assert left.type == socket.SOCK_STREAM
    left.close()
    right.close()
