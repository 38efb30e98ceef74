"""Values with optional fields that know which of them were given, so that one can lie over another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class FieldSet:
    """An immutable value. Reading a field that was not given returns its default; ``given`` holds the others."""

    defaults: ClassVar[Mapping[str, Any]] = {}
    given: Mapping[str, Any]

    def __init__(self, **fields: Any) -> None:
        object.__setattr__(self, "given", {name: value for name, value in fields.items() if value is not None})

    def __getattr__(self, name: str) -> Any:
        if name not in type(self).defaults:
            raise AttributeError(f"{type(self).__name__} has no field {name}.")
        return self.given.get(name, type(self).defaults[name])

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; make a new one.")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.complete() == self.complete()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"

    def complete(self) -> dict[str, Any]:
        """Return every field, given or default."""
        return {**type(self).defaults, **self.given}
