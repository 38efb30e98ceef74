"""What travels over the socket: the messages a browser may send, checked, and how ours are written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

MAX_MESSAGE_BYTES = 4096
_MAX_CURSOR = 2**62
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class CloseCode:
    """Why we close a socket (RFC 6455; 4000 and up are ours)."""

    NOT_TEXT = 1003
    NOT_JSON = 1007
    REFUSED = 1008
    TOO_BIG = 1009
    BROKEN = 1011
    SIGNED_OUT = 4401
    TOO_SLOW = 4408


class TopicKind(StrEnum):
    RUN = "run"
    LOG = "log"
    RUNS = "runs"
    ME = "me"


@dataclass(frozen=True, slots=True)
class Topic:
    """What a socket may listen to: ``run:<uuid>``, ``log:<attempt uuid>``, ``runs`` or ``me``."""

    kind: TopicKind
    id: UUID | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else str(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A checked message from a browser; ``after`` is the cursor it has reached: an event's seq or a byte offset."""

    subscribe: bool
    topic: Topic
    after: int = 0


class BadMessage(Exception):
    """The browser sent what the protocol does not have; ``code`` is the close code it gets."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


def parse(text: str | None) -> Request:
    """Read one message.

    Raises:
        BadMessage: It is binary, too long, not JSON, or not a message we know.
    """
    if text is None:
        raise BadMessage(CloseCode.NOT_TEXT, "Messages are text.")
    if len(text) > MAX_MESSAGE_BYTES or len(text.encode("utf-8", "replace")) > MAX_MESSAGE_BYTES:
        raise BadMessage(CloseCode.TOO_BIG, f"A message has at most {MAX_MESSAGE_BYTES} bytes.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadMessage(CloseCode.NOT_JSON, "Messages are JSON.") from exc
    return _checked(message)


def _checked(message: Any) -> Request:
    # A list, not a set: what a browser sends need not be hashable.
    if not isinstance(message, dict) or message.get("type") not in ["sub", "unsub"]:
        raise BadMessage(CloseCode.REFUSED, "A message is of type sub or unsub.")
    subscribe = message["type"] == "sub"
    if message.keys() - {"type", "topic", "after"} or (not subscribe and "after" in message):
        raise BadMessage(CloseCode.REFUSED, "The message has a key we do not know.")
    after = message.get("after", 0)
    if type(after) is not int or not 0 <= after <= _MAX_CURSOR:
        raise BadMessage(CloseCode.REFUSED, "after is a whole number from 0.")
    return Request(subscribe=subscribe, topic=_topic(message.get("topic")), after=after)


def _topic(text: Any) -> Topic:
    if not isinstance(text, str):
        raise BadMessage(CloseCode.REFUSED, "There is no such topic.")
    if text in {TopicKind.RUNS, TopicKind.ME}:
        return Topic(TopicKind(text))
    kind, _, rest = text.partition(":")
    # Only the usual spelling of a UUID: answers name the topic as the browser did.
    if kind in {TopicKind.RUN, TopicKind.LOG} and _UUID.fullmatch(rest):
        return Topic(TopicKind(kind), UUID(rest))
    raise BadMessage(CloseCode.REFUSED, "There is no such topic.")


def write(kind: str, **fields: Any) -> str:
    """Return one of our messages as text."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))
