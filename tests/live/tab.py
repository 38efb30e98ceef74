"""A browser tab's socket, spoken by hand: real frames to the real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

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


def opening(server: Server, *, session: str = "", path: str = "/ws/", **options: Any) -> Any:
    """Return a context that is an open socket; a refusal is raised on entry, at the latest."""
    headers = {"Cookie": f"{server.cookie}={session}"} if session else {}
    return connect(
        server.url.replace("http", "ws", 1) + path, additional_headers=headers, max_size=None, proxy=None, **options
    )
