"""The scenarios by name: what each injects, on which stores, and which mutant of the product it catches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STORES = ("sqlite", "postgres")


class NotHere(Exception):
    """A scenario cannot be played on this machine."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``play(stage)`` returns how often it injected its fault (None: once)."""

    name: str
    faults: str
    about: str
    play: Callable[[Any], int | None]
    stores: tuple[str, ...]
    #: judges what a machine that is busy with others cannot do
    is_alone: bool
    #: in ``make test`` too, on SQLite
    is_quick: bool
    #: seconds, on a quiet machine, after which it is stopped and counts as failed
    limit: float


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    faults: str, *, stores: tuple[str, ...] = STORES, quick: bool = False, alone: bool = False, limit: float = 90
) -> Callable[[Callable[[Any], int | None]], Callable[[Any], int | None]]:
    """Register a function as a scenario; the first line of its docstring stands in the table."""

    def register(play: Callable[[Any], int | None]) -> Callable[[Any], int | None]:
        name = play.__name__
        about = (play.__doc__ or "").strip().splitlines()[0].rstrip(".")
        SCENARIOS[name] = Scenario(
            name=name,
            faults=faults,
            about=about,
            play=play,
            stores=stores,
            is_alone=alone,
            is_quick=quick,
            limit=limit,
        )
        return play

    return register


def modules() -> list[str]:
    """Return the modules that hold scenarios; importing them needs Django."""
    return [f"{__name__}.{path.stem}" for path in sorted(Path(__file__).parent.glob("[!_]*.py"))]
