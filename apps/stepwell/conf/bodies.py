"""How much of a request is read before anybody knows who sends it: so many bytes, and for so long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from stepwell.core.ids import new_id

#: the most a form or an API call may carry is 2 MiB; what is over that by less than this gets an answer in our words
MAX_BYTES = 2 * 1024 * 1024 + 64 * 1024
#: seconds a whole body may take to arrive
SECONDS = 60.0

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


class BodyLimit:
    """Refuses bodies that are too long or too slow; Django would first write all of one to disk."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            _check_declared(scope)
            chunks = await _read(receive)
        except _Refused as refused:
            await _answer(refused, send)
            return
        if chunks is None:
            return
        await self.app(scope, _replay(chunks, receive), send)


def _check_declared(scope: dict[str, Any]) -> None:
    for name, value in scope["headers"]:
        # Servers refuse what is no number; one that is longer than any we take need not be read.
        if name == b"content-length" and value.isdigit() and (len(value) > 12 or int(value) > MAX_BYTES):
            raise _too_large()


def _too_large() -> _Refused:
    return _Refused(413, "too_large", "The body is too large.")


async def _read(receive: Receive) -> list[bytes] | None:
    """Return the body as it came; None when the caller left."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > MAX_BYTES:
                    raise _too_large()
                if not message.get("more_body"):
                    return chunks
    except TimeoutError:
        raise _Refused(408, "too_slow", "The body took too long to arrive.") from None


def _replay(chunks: list[bytes], receive: Receive) -> Receive:
    waiting = [b"".join(chunks)]

    async def next_message() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return next_message


async def _answer(refused: _Refused, send: Send) -> None:
    body = json.dumps({"code": refused.code, "message": refused.message, "request_id": new_id().hex}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        # What is still on its way is not read.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
