"""A browser tab's socket, spoken by hand: real frames to the real server."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.protocol import OPEN
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from tests.plugins.server import Server

WAIT_SECONDS = 10.0


class Tab:
    """One socket, signed in."""

    def __init__(self, server: Server, session: str, **options: Any) -> None:
        self._opening = opening(server, session=session, origin=server.url, **options)
        self.connection: ClientConnection = self._opening.__enter__()

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opening.__exit__(kind, error, trace)

    def ask(self, topic: str, after: int = 0) -> None:
        self.send({"type": "sub", "topic": topic, "after": after})

    def send(self, message: Any) -> None:
        self.connection.send(json.dumps(message))

    def receive(self, wait: float = WAIT_SECONDS, *, skip: tuple[str, ...] = ("ping", "beat")) -> dict[str, Any]:
        """Return the next message of another kind than those of ``skip``.

        Raises:
            TimeoutError: Nothing came in ``wait`` seconds.
        """
        deadline = time.monotonic() + wait
        while True:
            message = json.loads(self.connection.recv(timeout=max(0.0, deadline - time.monotonic())))
            if message["type"] not in skip:
                return message

    def collect(self, kind: str, is_enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return the messages of one kind, until they are enough."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_enough(found):
            message = self.receive(max(0.0, deadline - time.monotonic()), skip=())
            if message["type"] == kind:
                found.append(message)
        return found

    def close_code(self) -> int:
        """Wait until the server closes the socket and return the code."""
        deadline = time.monotonic() + WAIT_SECONDS
        try:
            while True:
                self.connection.recv(timeout=max(0.0, deadline - time.monotonic()))
        except ConnectionClosed:
            return self.connection.protocol.close_code

    def cut(self) -> None:
        """Lose the connection without a word, as a network does."""
        self.connection.socket.close()


class Deaf:
    """A socket that asks for a topic and then reads nothing at all."""

    def __init__(self, server: Server, session: str, topic: str) -> None:
        address = urlsplit(server.url)
        protocol = ClientProtocol(parse_uri(f"ws://{address.netloc}/ws/"))
        handshake = protocol.connect()
        handshake.headers["Origin"] = server.url
        handshake.headers["Cookie"] = f"{server.cookie}={session}"
        protocol.send_request(handshake)
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.connection.connect((address.hostname, address.port))
        self._send(protocol)
        while protocol.state is not OPEN:
            protocol.receive_data(self.connection.recv(1))
            assert protocol.handshake_exc is None, protocol.handshake_exc
        protocol.send_text(json.dumps({"type": "sub", "topic": topic, "after": 0}).encode())
        self._send(protocol)

    def __enter__(self) -> Deaf:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.connection.close()

    def is_cut_off(self, *, within: float) -> bool:
        """Return whether the server resets the connection in so many seconds."""
        waiting = select.poll()
        waiting.register(self.connection, 0)
        return any(events & select.POLLERR for _, events in waiting.poll(within * 1000))

    def _send(self, protocol: ClientProtocol) -> None:
        self.connection.sendall(b"".join(protocol.data_to_send()))


def opening(server: Server, *, session: str = "", path: str = "/ws/", **options: Any) -> Any:
    """Return a context that is an open socket; a refusal is raised on entry, at the latest."""
    headers = {"Cookie": f"{server.cookie}={session}"} if session else {}
    return connect(
        server.url.replace("http", "ws", 1) + path, additional_headers=headers, max_size=None, proxy=None, **options
    )
