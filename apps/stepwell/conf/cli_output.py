"""How commands print: aligned columns for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from stepwell.core.durations import format_duration


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    print()


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows in aligned columns; ``empty`` when there are none."""
    lines = [[_cell(value) for value in row] for row in rows]
    if not lines:
        print(empty)
        return
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
    for line in [list(titles), *lines]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def one_line(text: str) -> str:
    """Return ``text`` without line breaks and control characters, which could rewrite the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split()))


def counted(number: int, noun: str) -> str:
    """Return ``1 run`` or ``3 runs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moment(at: datetime | None) -> str:
    """Return a time in this machine's time zone."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "-"


def duration(start: datetime | None, end: datetime | None) -> str:
    """Return how long something took, or has taken so far."""
    return format_duration(((end or datetime.now(UTC)) - start).total_seconds()) if start else "-"


def iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else one_line(str(value))
