"""The name somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def close_matches(name: str, known: Iterable[str]) -> list[str]:
    """Return the known name closest to ``name`` as a list of one; an empty one when none is close."""
    # Only a mistake needs it, and it is among the slowest imports at a script's start.
    from difflib import get_close_matches  # noqa: PLC0415

    return get_close_matches(name, list(known), n=1)
