"""``{{secret.key}}`` in a component's configuration: the name of a value, never the value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stepwell.vault.models import Secret

_REFERENCE = re.compile(r"\{\{\s*([A-Za-z0-9][A-Za-z0-9_.-]{0,99})\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
#: what a reference looks like, for messages
EXAMPLE = "{{secret.key}}"


def is_reference(text: str) -> bool:
    """Return whether ``text`` is one reference and nothing else."""
    return _REFERENCE.fullmatch(text.strip()) is not None


def find(value: Any) -> Iterator[tuple[str, str]]:
    """Yield (secret, key) for every reference in the texts of a JSON value."""
    if isinstance(value, str):
        yield from _REFERENCE.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find(item)
    elif isinstance(value, list):
        for item in value:
            yield from find(item)


def fill(value: Any, values: Mapping[tuple[str, str], str]) -> Any:
    """Return ``value`` with each reference replaced by what ``values`` holds for it."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: values[match[1], match[2]], value)
    if isinstance(value, Mapping):
        return {key: fill(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, values) for item in value]
    return value


def problem(value: Any) -> str:
    """Return which reference in ``value`` leads nowhere, or nothing."""
    wanted = list(find(value))
    known = dict(Secret.objects.filter(name__in={name for name, _ in wanted}).values_list("name", "keys"))
    for name, key in wanted:
        if name not in known:
            return f"There is no secret called {name}. Create it on the page Secrets first."
        if key not in known[name]:
            return f"The secret {name} has no key {key}. It has: {', '.join(known[name])}."
    return ""
