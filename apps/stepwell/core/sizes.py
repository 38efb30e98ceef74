"""Sizes people write ("4GB", "512MiB")."""

from __future__ import annotations

import re

from stepwell.errors import ConfigError

_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{letter}B": 1000**power for power, letter in enumerate("KMGTP", start=1)}
_UNITS |= {f"{letter}IB": 1024**power for power, letter in enumerate("KMGTP", start=1)}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_size(text: str | int) -> int:
    """Return the bytes of a number or of text such as ``4GB`` (10^9 bytes each) or ``512MiB`` (2^20 bytes each).

    Raises:
        ConfigError: The text is no size, or is not above zero.
    """
    match = _SIZE.fullmatch(str(text)[:100]) if not isinstance(text, bool) else None
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None or float(match[1]) * unit < 1:
        raise ConfigError(f"“{text}” is not a size.", hint="Write 512MB, 4GB or 4GiB.")
    return int(float(match[1]) * unit)
