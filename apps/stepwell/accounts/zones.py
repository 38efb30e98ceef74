"""Time zone names: which ones there are, and whether a name is one of them."""

from __future__ import annotations

import zoneinfo
from functools import cache

from django.core.exceptions import ValidationError


@cache
def zone_names() -> tuple[str, ...]:
    """Return every name a person may choose, sorted, ``UTC`` first."""
    known = {name for name in zoneinfo.available_timezones() if not name.startswith(("Etc/", "SystemV/", "posix"))}
    return ("UTC", *sorted(known - {"UTC", "Factory", "localtime"}))


def check_zone(name: str) -> None:
    """Accept the name of a time zone, or nothing.

    Raises:
        ValidationError: There is no such zone.
    """
    if name and name not in zone_names():
        raise ValidationError(f"“{name[:64]}” is not a time zone. Write a name such as Europe/Berlin.", code="zone")
