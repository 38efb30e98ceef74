"""The options of a step or pipeline as people read them: complete, and unchangeable."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from stepwell.sdk.cachepolicy import CachePolicy
from stepwell.sdk.retry import StepRetryConfig

_EMPTY_DICTS = frozenset({"parameters", "environment", "settings", "extra", "substitutions", "output_materializers"})
_EMPTY_LISTS = frozenset({"secrets", "tags"})


class Configuration:
    """Options by name: ``step.configuration.retry.max_retries``. What was not given is None, or empty."""

    __slots__ = ("_given", "_known")

    def __init__(self, given: Mapping[str, Any], known: Iterable[str]) -> None:
        object.__setattr__(self, "_given", dict(given))
        object.__setattr__(self, "_known", tuple(known))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._known:
            raise AttributeError(f"There is no option {name}.")
        return _readable(name, self._given.get(name))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("A configuration cannot be changed; use configure() or with_options().")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Configuration) and other._given == self._given

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Configuration({', '.join(f'{name}={value!r}' for name, value in self._given.items())})"

    def __copy__(self) -> Configuration:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Configuration:
        return self


def _readable(name: str, value: Any) -> Any:
    if value is None:
        return MappingProxyType({}) if name in _EMPTY_DICTS else ([] if name in _EMPTY_LISTS else None)
    if name == "retry":
        return StepRetryConfig(**value)
    if name == "cache_policy":
        return value["name"] if "name" in value else CachePolicy(**value)
    return _frozen(value)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return copy.copy(value) if isinstance(value, list) else value
