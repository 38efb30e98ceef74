"""Ids: UUID version 7 (RFC 9562), which sort by the time they were made."""

from __future__ import annotations

import os
import time
import uuid

#: the space of event ids
_EVENTS = uuid.UUID("8a3f0f52-6a0e-5d0c-9d5e-5b6d1b0f7c11")


def event_id(owner: uuid.UUID | str, name: str) -> uuid.UUID:
    """Return the id of the event ``name`` of a row: the same whenever and wherever it is told."""
    return uuid.uuid5(_EVENTS, f"{owner}:{name}")


def new_id() -> uuid.UUID:
    """Return a new UUIDv7: 48 bits of milliseconds since 1970, 12 of the millisecond's 4096 parts, 62 random bits."""
    # Lists are in the order of ids: without the parts, what one process makes in a millisecond would stand by chance.
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    random_bits = int.from_bytes(os.urandom(8), "big")
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= (rest * 4096 // 1_000_000) << 64
    value |= 0b10 << 62
    value |= random_bits & ((1 << 62) - 1)
    return uuid.UUID(int=value)
