"""Durations people write ("90s", "10m", "2h") and read ("6 m 12 s")."""

from __future__ import annotations

import re

from stepwell.errors import ConfigError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def parse_duration(text: str | float) -> float:
    """Return the seconds of a number or of text such as ``90``, ``90s``, ``1h 30m``.

    Raises:
        ConfigError: The text is not a duration, or is not above zero.
    """
    wrong = ConfigError(f"“{text}” is not a duration.", hint="Write 90s, 10m or 2h.")
    if isinstance(text, bool):
        raise wrong
    if isinstance(text, int | float):
        seconds = float(text)
    else:
        seconds = _parse_text(text[:100], wrong)
    if not 0 < seconds < 1e9:
        raise wrong
    return seconds


def _parse_text(text: str, wrong: ConfigError) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    position, seconds = 0, 0.0
    while match := _PART.match(text, position):
        seconds += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if position == 0 or text[position:].strip():
        raise wrong
    return seconds


def format_duration(seconds: float) -> str:
    """Return two units at most: ``480 ms``, ``12 s``, ``6 m 12 s``, ``2 h 05 m``, ``3 d 4 h``."""
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
