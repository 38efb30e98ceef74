"""Annotations of step and pipeline functions, resolved; and the outputs that a return annotation names."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from stepwell.errors import StepInterfaceError
from stepwell.sdk.artifactconfig import ArtifactConfig

EMPTY = inspect.Parameter.empty
_OUTPUT_NAME = re.compile(r"[\w{}][\w.\-:{} ]{0,199}")


class Unresolved(Exception):
    """An annotation names something that does not exist (yet)."""


@dataclass(frozen=True)
class Output:
    """One output of a step. ``is_named`` tells a name that was given from ``output`` and ``output_0``."""

    name: str
    annotation: Any = Any
    is_named: bool = False
    config: ArtifactConfig | None = None


def resolve(annotation: Any, function: Callable[..., Any], names: Mapping[str, Any]) -> Any:
    """Return an annotation with its text and forward references evaluated, ``Annotated`` kept.

    Raises:
        Unresolved: A name in it does not exist where the function can see it.
    """
    if annotation is EMPTY:
        return EMPTY
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    local_names = {**names, **_closure(function)}
    try:
        hints = typing.get_type_hints(holder, _globals(function), local_names, include_extras=True)
    except Exception as exc:  # evaluating text runs whatever the annotation says
        raise Unresolved(str(exc)) from exc
    return hints["it"]


def read_outputs(annotation: Any, *, owner: str) -> tuple[Output, ...]:
    """Return the outputs a resolved return annotation stands for.

    Raises:
        StepInterfaceError: Two outputs have one name, or a name is malformed.
    """
    if annotation is EMPTY:
        return (Output("output"),)
    if annotation in (None, type(None), typing.NoReturn, typing.Never):
        return ()
    inner, name, config = _unwrap(annotation, owner=owner)
    elements = typing.get_args(inner) if typing.get_origin(inner) is tuple else ()
    if name or config or len(elements) < 2 or elements[-1] is Ellipsis:
        return (Output(name or "output", inner, bool(name), config),)
    outputs = tuple(_read_element(item, index, owner=owner) for index, item in enumerate(elements))
    names = [output.name for output in outputs]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise StepInterfaceError(
            f"{owner} has two outputs named {min(repeated)}.", hint="Give each output a name of its own."
        )
    return outputs


def _read_element(annotation: Any, index: int, *, owner: str) -> Output:
    inner, name, config = _unwrap(annotation, owner=owner)
    return Output(name or f"output_{index}", inner, bool(name), config)


def _unwrap(annotation: Any, *, owner: str) -> tuple[Any, str, ArtifactConfig | None]:
    if typing.get_origin(annotation) is not Annotated:
        return annotation, "", None
    inner, *notes = typing.get_args(annotation)
    names = [note for note in notes if isinstance(note, str)]
    configs = [note for note in notes if isinstance(note, ArtifactConfig)]
    given = [*names, *(config.name for config in configs if config.name)]
    if len(given) > 1 or len(configs) > 1:
        raise StepInterfaceError(f"{owner} gives one output two names: {', '.join(given)}.", hint="Keep one of them.")
    if given and not _OUTPUT_NAME.fullmatch(given[0]):
        raise StepInterfaceError(
            f"{owner} has an output named {given[0]!r}.",
            hint="Start with a letter, digit or underscore; then also dots, dashes, colons and spaces.",
        )
    others = tuple(note for note in notes if not isinstance(note, str | ArtifactConfig))
    kept = Annotated[(inner, *others)] if others else inner
    return (kept if given or configs else inner), (given[0] if given else ""), (configs[0] if configs else None)


def _globals(function: Callable[..., Any]) -> dict[str, Any]:
    return getattr(inspect.unwrap(function), "__globals__", {})


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(function)
    code, cells = getattr(inner, "__code__", None), getattr(inner, "__closure__", None)
    found: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars if code else (), cells or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found
