"""Metadata as plain JSON: what is not JSON is refused, what databases refuse is made harmless."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_KEYS = 1000
MAX_BYTES = 262_144
_MAX_DEPTH = 32
_MAX_STRING = 65_536


def clean(value: Any) -> Any:
    """Return ``value`` as plain JSON data: numpy numbers become numbers, tuples lists, ``nan`` the text ``NaN``.

    Raises:
        TypeError: Something in it has no JSON form.
    """
    return _clean(value, depth=0)


def clean_metadata(metadata: Any) -> dict[str, Any]:
    """Return ``metadata`` as a JSON object of bounded size.

    Raises:
        TypeError: It is no dict with text keys, or a value has no JSON form.
        ValueError: It has more than 1000 keys or 256 KiB.
    """
    if not isinstance(metadata, dict):
        raise TypeError(f"Metadata is a dict, not {type(metadata).__name__}.")
    cleaned = {_clean_key(name): _clean_fact(name, value) for name, value in metadata.items()}
    if len(cleaned) > MAX_KEYS:
        raise ValueError(f"Metadata has {len(cleaned)} keys; {MAX_KEYS} are allowed.")
    if len(json.dumps(cleaned)) > MAX_BYTES:
        raise ValueError(f"Metadata is larger than {MAX_BYTES // 1024} KiB; return it from the step instead.")
    return cleaned


def clean_text(text: str, *, limit: int = _MAX_STRING) -> str:
    """Return ``text`` without NUL and lone surrogates, cut at ``limit`` characters."""
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text) - limit} more characters)"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _clean(value: Any, *, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise TypeError(f"Metadata is nested deeper than {_MAX_DEPTH} levels.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _clean_float(float(value))
    if isinstance(value, dict):
        return {_clean_key(key): _clean(item, depth=depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, depth=depth + 1) for item in value]
    return _clean_number(value, depth=depth)


def _clean_fact(name: str, value: Any) -> Any:
    try:
        return _clean(value, depth=1)
    except TypeError as exc:
        raise TypeError(f"Metadata {name}: {exc} Give text, numbers, lists or dicts of them.") from None


def _clean_key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"Metadata keys are text, not {type(key).__name__}.")
    return clean_text(str(key), limit=250)


def _clean_float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _clean_number(value: Any, *, depth: int) -> Any:
    # numpy's float32 or int64, and tensors of one element, are numbers to people
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, type) and getattr(value, "shape", None) == ():
        return _clean(item(), depth=depth + 1)
    raise TypeError(f"A value of type {type(value).__module__}.{type(value).__qualname__} has no JSON form.")
