"""Filters as one line of text, ``status:failed tag:gpu nightly``, and back."""

from __future__ import annotations

import re

from django.http import QueryDict

from stepwell.errors import UsageError
from stepwell.web.access import shown
from stepwell.web.run_filters import MANY, NAMES, Filters

_TOKEN = re.compile(r'(?:(?P<name>[a-z]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))')
_LONGEST = 2000


def write(filters: Filters) -> str:
    """Return the line that spells these filters."""
    return " ".join(_word(name, value) for name, value in filters.values)


def read(text: str) -> QueryDict:
    """Return the address's form of a line of filters; words without a name are looked for as one text.

    Raises:
        UsageError: It names a filter there is not.
    """
    query, words = QueryDict(mutable=True), []
    for token in _TOKEN.finditer(text.replace("\0", "")[:_LONGEST]):
        name, value = token["name"], token["quoted"] if token["quoted"] is not None else token["plain"]
        if name is None or value.startswith("//"):
            words.append(value if name is None else token[0])
            continue
        if name not in NAMES:
            raise UsageError(
                f"There is no filter “{shown(name)}:”.",
                hint=f"There are: {', '.join(NAMES)}. Text with a colon goes in quotes.",
            )
        if name not in MANY:
            query.setlist(name, [])
        query.appendlist(name, value)
    if words:
        query["text"] = " ".join(words)
    return query


def _word(name: str, value: str) -> str:
    value = value.replace('"', "")
    if name == "text":
        return f'"{value}"' if ":" in value else value
    return f'{name}:"{value}"' if re.search(r"\s", value) or not value else f"{name}:{value}"
