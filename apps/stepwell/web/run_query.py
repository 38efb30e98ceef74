"""Filters as one line of text, ``status:failed tag:gpu nightly``, and back."""

from __future__ import annotations

import re

from django.http import QueryDict

from stepwell.errors import UsageError
from stepwell.web.access import shown
from stepwell.web.run_filters import MANY, NAMES, Filters

#: a quote within quotes is written twice
_TOKEN = re.compile(r'(?:(?P<name>[a-z]+):)?(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>\S+))')
#: what all filters with all values a list takes may need
_LONGEST = 20_000


def write(filters: Filters) -> str:
    """Return the line that spells these filters."""
    return " ".join(_word(name, value) for name, value in filters.values)


def read(text: str) -> QueryDict:
    """Return the address's form of a line of filters; words without a name are looked for as one text.

    Raises:
        UsageError: It names a filter there is not, or is too long.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"The filters are {len(text)} characters.", hint=f"They may be {_LONGEST}. Take some away.")
    query, words = QueryDict(mutable=True), []
    for token in _TOKEN.finditer(text.replace("\0", "")):
        name, value = token["name"], token["plain"] or token["quoted"].replace('""', '"')
        if name is None or (token["plain"] or "").startswith("//"):
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
    prefix = "" if name == "text" else f"{name}:"
    if _is_plain(name, value):
        return prefix + value
    doubled = value.replace('"', '""')
    return f'{prefix}"{doubled}"'


def _is_plain(name: str, value: str) -> bool:
    """Return whether a value is read back as it is without quotes."""
    if '"' in value:
        return False
    if name == "text":
        return ":" not in value and " ".join(value.split()) == value
    return not re.search(r"\s", value) and not value.startswith("//")
