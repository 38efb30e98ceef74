"""What a step returned, matched with the outputs it declares: how many, under which name, and of which type."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

from stepwell.errors import StepInterfaceError


def name_outputs(returned: Any, names: Sequence[str], *, step_name: str) -> dict[str, Any]:
    """Return the values by output name.

    Raises:
        StepInterfaceError: There are more or fewer values than outputs.
    """
    if not names:
        if returned is not None:
            raise StepInterfaceError(
                f"The step {step_name} returned {_kind(returned)}, but says it returns None.",
                hint="Annotate what it returns.",
            )
        return {}
    if len(names) == 1:
        return {names[0]: returned}
    if isinstance(returned, dict) and set(returned) == set(names):
        return {name: returned[name] for name in names}
    if not isinstance(returned, (tuple, list)):
        raise StepInterfaceError(
            f"The step {step_name} returned one {_kind(returned)} for its {len(names)} outputs {', '.join(names)}.",
            hint="Return a tuple in their order, or a dict with their names.",
        )
    if len(returned) != len(names):
        raise StepInterfaceError(
            f"The step {step_name} returned {len(returned)} values for its {len(names)} outputs {', '.join(names)}.",
            hint="Return one for each, or change the annotation.",
        )
    return dict(zip(names, returned, strict=True))


def check_type(value: Any, annotation: Any, *, step_name: str, output: str) -> None:
    """Refuse a value whose class is not the annotated one. What is inside of containers is not looked at.

    Raises:
        StepInterfaceError: The class does not fit.
    """
    if not fits(value, annotation):
        shown = _shown(annotation)
        raise StepInterfaceError(
            f"The step {step_name} returned {_kind(value)} as its {words(output)}, which is annotated {shown}.",
            hint=f"Return a value, or annotate {shown} | None."
            if value is None
            else "Return that type, or change the annotation.",
        )


def words(output: str) -> str:
    """Return how an output is called in a message; one without a name of its own is just the output."""
    return "output" if output == "output" else f"output {output}"


def fits(value: Any, annotation: Any) -> bool:
    """Tell whether ``value`` may stand where ``annotation`` is; an annotation that cannot be checked fits."""
    annotation = _unwrap(annotation)
    if value is ...:  # "model = ..." is how a draft says: code to come
        return True
    if annotation is Any or annotation is object or isinstance(annotation, (str, TypeVar, typing.ForwardRef)):
        return True
    if annotation is None or annotation is types.NoneType:
        return value is None
    origin = get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, member) for member in get_args(annotation))
    if origin is Literal:
        return any(value == member and type(value) is type(member) for member in get_args(annotation))
    return _is_instance(value, origin or annotation)


def _unwrap(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) is typing.Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation


def _is_instance(value: Any, kind: Any) -> bool:
    if typing.is_typeddict(kind):
        return isinstance(value, dict)
    if kind in _NUMBERS and _is_number_for(value, kind):
        return True
    try:
        return isinstance(value, kind)
    except TypeError:  # protocols and other things isinstance does not take
        return True


_NUMBERS: dict[Any, str] = {bool: "b", int: "biu", float: "biuf", complex: "biufc"}


def _is_number_for(value: Any, kind: Any) -> bool:
    if kind in (float, complex) and isinstance(value, (int, float)):
        return True
    dtype = getattr(value, "dtype", None)
    return (
        type(value).__module__ == "numpy"
        and getattr(value, "shape", None) == ()
        and (getattr(dtype, "kind", "?") in _NUMBERS[kind])
    )


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _shown(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
