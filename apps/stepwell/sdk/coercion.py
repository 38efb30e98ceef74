"""Values made to fit their annotations: ``"3"`` becomes 3 where an int is asked for, a dict becomes a model."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from stepwell.errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

_FREE = (Any, inspect.Parameter.empty, object)
_adapters: dict[Any, TypeAdapter[Any] | None] = {}


def coerce(annotation: Any, value: Any, *, what: str, error: type[UsageError] = UsageError) -> Any:
    """Return ``value`` as what ``annotation`` asks for; ``what`` names it in the error.

    Raises:
        UsageError: It does not fit (``error`` is the class raised).
    """
    checker = adapter(annotation)
    if checker is None:
        return value
    from pydantic import ValidationError

    try:
        return checker.validate_python(value)
    except ValidationError as exc:
        raise error(f"{what} is {_shown(value)}: {_reason(exc)}.", hint=_hint(annotation)) from exc


def adapter(annotation: Any) -> TypeAdapter[Any] | None:
    """Return pydantic's checker of an annotation; None where there is nothing it can check."""
    if any(annotation is free for free in _FREE):
        return None
    try:
        return _adapters[annotation]
    except KeyError:
        return _adapters.setdefault(annotation, _make_adapter(annotation))
    except TypeError:
        # An annotation that cannot be hashed, such as Annotated[int, [...]].
        return _make_adapter(annotation)


def _make_adapter(annotation: Any) -> TypeAdapter[Any] | None:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUserError

    for config in (None, ConfigDict(arbitrary_types_allowed=True)):
        try:
            return TypeAdapter(annotation, config=config)
        except (PydanticUserError, TypeError, NameError):
            continue
    return None


def type_text(annotation: Any) -> str:
    """Return an annotation for people: ``int``, ``pandas.DataFrame``, ``list[int]``."""
    from stepwell.sdk import typenames

    if annotation is inspect.Parameter.empty or annotation is Any:
        return "Any"
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        return typenames.printable(annotation)
    return str(annotation).replace("typing.", "").replace("__main__.", "")


def _reason(exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"at {place}, {message}" if place else message


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _hint(annotation: Any) -> str:
    return f"It takes {type_text(annotation)}."
