"""The cache key: what a step's result depends on, as named parts, and one hash of them.

Parts are named for people: ``code``, ``parameter lr``, ``helper clean``, ``constant LIMIT``, ``outputs``,
``environment``, ``secrets``, ``file prices.csv``, ``source train.score``, ``cache_func``, ``input data``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from stepwell.core.values import canonical

#: raised when the meaning of a part changes, so that old keys no longer match
_VERSION = 1
_SHOWN = 3


def hash_part(value: Any) -> str:
    """Return the hex sha256 of a value's canonical form.

    Raises:
        UsageError: The value cannot be stored.
    """
    return hashlib.sha256(canonical(value)).hexdigest()


def hash_text(text: str) -> str:
    """Return the hex sha256 of text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def compute_key(parts: Mapping[str, str], inputs: Mapping[str, str]) -> str:
    """Return the cache key of a step: hex sha256 over its parts and the content hashes of its inputs."""
    return hash_part({"version": _VERSION, "parts": dict(parts), "inputs": dict(inputs)})


def counted_inputs(
    policy: Mapping[str, Any], *, content: Mapping[str, str], ids: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return what of a step's inputs goes into its key by a cache policy (``StepOptions.cache_policy``).

    ``content`` and ``ids`` say for each input, by name, what is stored in it and which versions it is.
    """
    ignored = set(policy.get("ignored_inputs", ()))
    counted = {name: value for name, value in content.items() if policy.get("include_artifact_values", True)}
    if policy.get("include_artifact_ids", False):
        for name, value in (ids or {}).items():
            counted[name] = f"{counted.get(name, '')} {value}".strip()
    return {name: value for name, value in counted.items() if name not in ignored}


def explain(
    old_parts: Mapping[str, str], new_parts: Mapping[str, str], *, told: Mapping[str, str] | None = None
) -> str:
    """Return what differs, as the end of a sentence: ``parameter lr changed``.

    ``told`` has more telling words for parts whose change the caller can describe.
    """
    words = told or {}
    changes = [_explain_one(name, old_parts, new_parts, words) for name in _in_order({*old_parts, *new_parts})]
    said = [change for change in changes if change]
    if not said:
        return "no stored result has the same key"
    if len(said) > _SHOWN:
        said = [*said[:_SHOWN], f"{len(said) - _SHOWN} more"]
    return " and ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)


def _explain_one(name: str, old: Mapping[str, str], new: Mapping[str, str], told: Mapping[str, str]) -> str:
    if old.get(name) == new.get(name):
        return ""
    if name not in old:
        return f"{name} is new"
    if name not in new:
        return f"{name} is gone"
    return told.get(name, f"{name} changed")


def _in_order(names: set[str]) -> list[str]:
    first = ("parameter", "input", "code", "helper", "constant")
    rank = {kind: place for place, kind in enumerate(first)}
    return sorted(names, key=lambda name: (rank.get(name.split(" ", 1)[0], len(first)), name))
