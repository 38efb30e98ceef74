"""A TCP proxy that can swallow, stall, cut and reset what goes through it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading


class Proxy:
    """Listens on ``port`` of the loopback and passes everything on, until told otherwise.

    ``mode``: ``pass``; ``stall`` (connections stay, nothing moves, new ones are taken and not served); ``refuse`` (new
    ones are closed at once); ``half`` (what clients say goes through, answers are swallowed). ``delay`` is added to
    every answer, in seconds. ``reset`` ends all with RST; ``cut_after`` lets that many bytes of answers through.
    """

    def __init__(self, target: int | str) -> None:
        self.mode = "pass"
        self.delay = 0.0
        self.port = 0
        self._target = target
        self._budget: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    @property
    def n_open(self) -> int:
        """How many ends of connections are open."""
        return len(self._writers)

    def reset(self) -> None:
        """End every connection with RST."""
        self._loop.call_soon_threadsafe(self._reset)

    def cut_after(self, n_bytes: int) -> None:
        """Let ``n_bytes`` of answers through, then reset everything, once."""
        self._budget = n_bytes

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while self.mode == "stall":
                await asyncio.sleep(0.02)
            if self.mode == "refuse":
                return
            there, back = await self._connect()
            self._writers.add(back)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back, is_answer=False))
                group.create_task(self._pump(there, writer, is_answer=True))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for one in (writer, locals().get("back")):
                if one is not None:
                    self._writers.discard(one)
                    with contextlib.suppress(OSError, RuntimeError):
                        one.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, int):
            return await asyncio.open_connection("127.0.0.1", self._target)
        return await asyncio.open_unix_connection(self._target)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while chunk := await reader.read(65536):
            while self.mode == "stall":
                await asyncio.sleep(0.02)
            if is_answer and self.mode == "half":
                continue
            if is_answer and self.delay:
                await asyncio.sleep(self.delay)
            if is_answer and self._budget is not None:
                chunk, self._budget = chunk[: self._budget], self._budget - len(chunk)
                if self._budget <= 0:
                    self._budget = None
                    self._reset()
                    return
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    def _reset(self) -> None:
        for writer in list(self._writers):
            with contextlib.suppress(OSError, AttributeError):
                connection: socket.socket = writer.get_extra_info("socket")
                # no time to linger: the peer gets RST instead of an orderly end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
