"""What the cache key of a step covers, and how long a stored result may be used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from stepwell.errors import ConfigError
from stepwell.sdk.fieldset import FieldSet

NAMED_POLICIES = ("default", "no_cache")
_FLAGS = (
    "include_step_code",
    "include_step_parameters",
    "include_artifact_values",
    "include_artifact_ids",
    "include_dependencies",
)
_LISTS = ("ignored_inputs", "file_dependencies", "source_dependencies")


class CachePolicy(FieldSet):
    """What a step's cache key covers.

    ``ignored_inputs`` leaves inputs and parameters out. ``file_dependencies`` are files below the script's folder,
    ``source_dependencies`` functions or classes (or their dotted names), ``cache_func`` a function without arguments
    whose result counts. ``expires_after`` is in seconds; a stored result never expires unless it is given.

    Raises:
        ConfigError: A field has a value of the wrong kind.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "include_step_code": True,
        "include_step_parameters": True,
        "include_artifact_values": True,
        "include_artifact_ids": False,
        "include_dependencies": True,
        "ignored_inputs": (),
        "file_dependencies": (),
        "source_dependencies": (),
        "cache_func": None,
        "expires_after": None,
    }
    include_step_code: bool
    include_step_parameters: bool
    include_artifact_values: bool
    include_artifact_ids: bool
    include_dependencies: bool
    ignored_inputs: tuple[str, ...]
    file_dependencies: tuple[str, ...]
    source_dependencies: tuple[Any, ...]
    cache_func: Callable[[], Any] | str | None
    expires_after: float | None

    def __init__(self, **fields: Any) -> None:
        for name in fields:
            if name not in self.defaults:
                raise TypeError(f"CachePolicy has no field {name}. It has: {', '.join(self.defaults)}.")
        super().__init__(**{name: _checked(name, value) for name, value in fields.items()})

    @classmethod
    def default(cls) -> CachePolicy:
        """Return the policy of steps that name none."""
        return cls()


def _checked(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _FLAGS and not isinstance(value, bool):
        raise ConfigError(f"CachePolicy.{name} is {value!r}.", hint="Give True or False.")
    if name in _LISTS:
        if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
            raise ConfigError(f"CachePolicy.{name} is {value!r}.", hint="Give a list.")
        return tuple(sorted(value) if isinstance(value, set | frozenset) else value)
    if name == "cache_func" and not (callable(value) or isinstance(value, str)):
        raise ConfigError(f"CachePolicy.cache_func is {value!r}.", hint="Give a function or its dotted name.")
    if name == "expires_after":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < math.inf:
            raise ConfigError(f"CachePolicy.expires_after is {value!r}.", hint="Give seconds, 0 or above.")
    return value
