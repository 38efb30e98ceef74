"""Request bodies: JSON only, read strictly, within limits that keep a hostile one cheap."""

from __future__ import annotations

import json
import math
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from ninja.parser import Parser

from stepwell.api.errors import BodyRefused, NotJson, TooLarge

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 32
MAX_ITEMS = 10_000
MAX_TEXT = 1024 * 1024

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class StrictParser(Parser):
    """ninja's parser, for JSON as ``read_json`` takes it."""

    def parse_body(self, request: HttpRequest) -> Any:
        return read_json(request.body)


def check_body(request: HttpRequest) -> None:
    """Refuse a body that is too large or not declared as JSON, before anything reads it.

    Raises:
        TooLarge: It has more than 2 MiB.
        NotJson: Its content type is not ``application/json``.
    """
    if request.method in _SAFE_METHODS:
        return
    hint = "Send 2 MiB at most."
    try:
        size = len(request.body)
    except RequestDataTooBig:
        raise TooLarge(hint=hint) from None
    if size > MAX_BYTES:
        raise TooLarge(hint=hint)
    if size and request.content_type != "application/json":
        raise NotJson("The API takes JSON only.", hint="Send “Content-Type: application/json”.")


def read_json(raw: bytes) -> Any:
    """Return the value ``raw`` spells.

    Raises:
        BodyRefused: It is not JSON, repeats a key, nests deeper than 32 levels, or holds NaN, infinity, NUL, a lone
            surrogate, a list above 10,000 items or a text above 1 MiB.
    """
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except RecursionError:
        raise _too_deep() from None
    except BodyRefused:
        raise
    except ValueError as exc:
        reason = f"{exc.msg}, line {exc.lineno}, column {exc.colno}" if isinstance(exc, json.JSONDecodeError) else ""
        raise BodyRefused(f"The body is not valid JSON{': ' + reason if reason else ''}.") from None
    _check(value, depth=1)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BodyRefused("The body names a key twice in one object.")
    return result


def _refuse_constant(name: str) -> Any:
    raise BodyRefused(f"The body holds {name}, which is not JSON.")


def _too_deep() -> BodyRefused:
    return BodyRefused(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _check(value: Any, *, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BodyRefused("The body holds a number that is too large.")
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise _too_deep()
        if len(value) > MAX_ITEMS:
            raise BodyRefused(f"The body holds a list or object with more than {MAX_ITEMS:,} items.")
        for key in value if isinstance(value, dict) else ():
            _check_text(key)
        for child in value.values() if isinstance(value, dict) else value:
            _check(child, depth=depth + 1)


def _check_text(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise BodyRefused("The body holds a text longer than 1 MiB.")
    if "\0" in text:
        raise BodyRefused("The body holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BodyRefused("The body holds half a character (a lone surrogate).") from None
