"""Messages on their way to one socket: put in by the hub's thread, taken out on the socket's event loop."""

from __future__ import annotations

import asyncio
from threading import Lock

MAX_MESSAGES = 128
MAX_BYTES = 1024 * 1024


class Mailbox:
    """A bounded queue between a thread and an event loop.

    The hub asks ``has_room`` first and keeps what does not fit where it is stored: nothing is dropped here.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._lock = Lock()
        self._n_messages = 0
        self._n_bytes = 0
        self.is_closed = False

    @property
    def has_room(self) -> bool:
        return not self.is_closed and self._n_messages < MAX_MESSAGES and self._n_bytes < MAX_BYTES

    def put(self, text: str) -> None:
        """Add a message; from any thread."""
        with self._lock:
            self._n_messages += 1
            self._n_bytes += len(text)
        self._push(text)

    def close(self) -> None:
        """Let ``take`` return None once what is queued is taken; from any thread."""
        self.is_closed = True
        self._push(None)

    async def take(self) -> str | None:
        """Wait for the next message; None when the hub gave up on this socket."""
        text = await self._queue.get()
        if text is not None:
            with self._lock:
                self._n_messages -= 1
                self._n_bytes -= len(text)
        return text

    def _push(self, text: str | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, text)
        except RuntimeError:
            # The loop is closed: the server is on its way out, nobody will read this.
            self.is_closed = True
