"""The socket of a browser tab: who may open it, what it may ask, and how news reach it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from stepwell.accounts.models import Role
from stepwell.kit.allowance import Allowance
from stepwell.live.boxes import Mailbox
from stepwell.live.door import door
from stepwell.live.hub import hub
from stepwell.live.wire import BadMessage, CloseCode, Topic, TopicKind, parse, write

#: seconds between two pings, from which the browser knows within 10 s that the socket lives, and what time it is
PING_SECONDS = 4.0
#: seconds a socket may take for one message
SEND_SECONDS = 10.0
MAX_TOPICS = 64
#: messages a browser may send: so many at once (a page coming back asks for all of its topics), then so many a second
BURST = 80
RATE = 20.0


class LiveSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Forwards what the hub posts, from the cursors the browser names."""

    async def connect(self) -> None:
        self.topics: set[Topic] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.is_ending = False
        if not _may_watch(self.scope["user"]) or not door.enter(self):
            await self.close()
            return
        self.allowance = Allowance(burst=BURST, rate=RATE)
        self.mailbox = Mailbox(asyncio.get_running_loop())
        await self.accept()
        self.tasks = [asyncio.create_task(work()) for work in (self.forward, self.ping)]

    async def disconnect(self, code: int) -> None:
        door.leave(self)
        if not self.tasks:
            return
        self.mailbox.is_closed = True
        hub.leave(self.mailbox)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.is_ending:
            return
        if not self.allowance.spend():
            await self.end(CloseCode.REFUSED, "Too many messages.")
            return
        try:
            request = parse(text_data)
        except BadMessage as exc:
            await self.end(exc.code, exc.reason)
            return
        topic = self.own(request.topic)
        if not request.subscribe:
            self.topics.discard(topic)
            hub.unsubscribe(self.mailbox, topic)
            return
        self.topics.add(topic)
        if len(self.topics) > MAX_TOPICS:
            await self.end(CloseCode.REFUSED, f"A socket has at most {MAX_TOPICS} topics.")
            return
        hub.subscribe(self.mailbox, topic, request.after)

    def own(self, topic: Topic) -> Topic:
        """Return the topic ``me`` as this person's; others as they are."""
        return Topic(topic.kind, self.scope["user"].pk) if topic.kind == TopicKind.ME else topic

    async def forward(self) -> None:
        """Send what the hub posts, until it gives up."""
        while (text := await self.mailbox.take()) is not None:
            await self.say(text)
        await self.end(CloseCode.BROKEN, "The server lost its place.")

    async def ping(self) -> None:
        while True:
            await self.say(write("ping", at=time.time()))
            await asyncio.sleep(PING_SECONDS)

    async def say(self, text: str) -> None:
        """Send one message; a socket that does not take it in time is closed."""
        try:
            await asyncio.wait_for(self.send(text_data=text), SEND_SECONDS)
        except TimeoutError:
            await self.end(CloseCode.TOO_SLOW, "The browser does not keep up.")
        except (RuntimeError, OSError):
            # Closed from the other side while we were sending; disconnect() follows.
            self.mailbox.is_closed = True

    async def end(self, code: int, reason: str) -> None:
        """Close the socket once. What the browser still sends is read and ignored: its answer comes behind it."""
        if self.is_ending:
            return
        self.is_ending = self.mailbox.is_closed = True
        hub.leave(self.mailbox)
        door.leave(self)
        self.tasks.append(asyncio.create_task(self._close(code, reason)))

    async def _close(self, code: int, reason: str) -> None:
        with suppress(TimeoutError, RuntimeError, OSError):
            await asyncio.wait_for(self.close(code=code, reason=reason), SEND_SECONDS)


def _may_watch(user: Any) -> bool:
    return bool(user.is_authenticated and user.may(Role.VIEWER))
