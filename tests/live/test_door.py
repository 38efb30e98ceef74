"""Whom the rounds over open sockets end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stepwell.kit import gauges
from stepwell.live import door as doors


class Socket:
    """What the door sees of a socket."""

    def __init__(self, session_key: str) -> None:
        user = type("User", (), {"pk": session_key})
        self.scope: dict[str, Any] = {"user": user, "session": type("Session", (), {"session_key": session_key})}
        self.ended: list[int] = []

    async def end(self, code: int, reason: str) -> None:
        self.ended.append(code)


def test_who_comes_while_the_others_are_asked_for_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    early, late, signed_out = Socket("early"), Socket("late"), Socket("signed-out")

    async def rounds() -> None:
        door = doors.Door()

        async def ask(keys: set[str]) -> set[str]:
            door.enter(late)
            return keys - {"signed-out"}

        monkeypatch.setattr(doors, "database_sync_to_async", lambda _: ask)
        door.enter(early)
        door.enter(signed_out)
        for _ in range(100):
            await asyncio.sleep(0.01)
            if signed_out.ended:
                break
        for socket in (early, late, signed_out):
            door.leave(socket)

    monkeypatch.setattr(doors, "RECHECK_SECONDS", 0.01)
    asyncio.run(rounds())

    assert (early.ended, late.ended) == ([], [])
    assert signed_out.ended


def test_open_sockets_are_counted() -> None:
    async def come_and_go() -> list[float]:
        door, counted = doors.Door(), []
        one, other = Socket("one"), Socket("other")
        for act, socket in ((door.enter, one), (door.enter, other), (door.leave, one), (door.leave, other)):
            act(socket)
            counted.append(gauges.values["sockets"])
        return counted

    assert asyncio.run(come_and_go()) == [1, 2, 1, 0]
