"""What a step or pipeline function takes and gives, read once from the function."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stepwell.core.near import close_matches
from stepwell.core.values import is_reference
from stepwell.errors import StepInterfaceError, UsageError
from stepwell.sdk.annotations import EMPTY, Output, Unresolved, read_outputs, resolve
from stepwell.sdk.coercion import coerce

#: arguments of a step's call that are ours
RESERVED = ("after", "id", "start_after")


@dataclass(frozen=True)
class Input:
    """One parameter of a function; ``default`` is ``EMPTY`` where there is none."""

    name: str
    annotation: Any
    default: Any

    @property
    def is_required(self) -> bool:
        return self.default is EMPTY


class Signature:
    """Inputs and outputs of a function. ``owner`` names it in errors ("Step train")."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        owner: str,
        names: Mapping[str, Any] | None = None,
        method: bool = False,
        reserved: tuple[str, ...] = RESERVED,
    ) -> None:
        self.owner = owner
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        self._function = function
        self._names = dict(names or {})
        self.python = _read(function, owner=owner, method=method, reserved=reserved)
        self._try_early()

    @functools.cached_property
    def inputs(self) -> dict[str, Input]:
        """The parameters by name, in order."""
        return {
            name: Input(name, self._annotation(name, parameter.annotation), parameter.default)
            for name, parameter in self.python.parameters.items()
        }

    @functools.cached_property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs the return annotation names.

        Raises:
            StepInterfaceError: The annotation cannot be read, or its names do not fit.
        """
        written = self.python.return_annotation
        try:
            annotation = resolve(written, self._function, self._names)
        except Unresolved as exc:
            if str(written).lower().startswith(("tuple", "typing.tuple")):
                raise StepInterfaceError(
                    f"{self.owner}: the return annotation {written} cannot be read: {exc}.",
                    hint="Import the names it uses where the function can see them.",
                ) from exc
            self._warn("return annotation", written, exc)
            annotation = EMPTY
        return read_outputs(annotation, owner=self.owner)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameter name -> argument for those given; defaults are not filled in.

        Raises:
            StepInterfaceError: Too many arguments, one twice, or one that does not exist.
        """
        self.check_names(kwargs)
        try:
            return dict(self.python.bind_partial(*args, **kwargs).arguments)
        except TypeError as exc:
            raise StepInterfaceError(
                f"{self.owner} cannot be called with these arguments: {exc}.",
                hint=f"Its inputs are: {', '.join(self.python.parameters) or 'none'}.",
            ) from exc

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse inputs that do not exist.

        Raises:
            StepInterfaceError: Names one of them, and the nearest there is.
        """
        for name in names:
            if name not in self.python.parameters:
                near = close_matches(name, self.python.parameters)
                known = ", ".join(self.python.parameters) or "none"
                hint = f"Did you mean {near[0]}?" if near else f"Its inputs are: {known}."
                raise StepInterfaceError(f"{self.owner} has no input {name}.", hint=hint)

    def check_complete(self, values: Mapping[str, Any]) -> None:
        """Refuse a call that lacks a required input.

        Raises:
            StepInterfaceError: Names what is missing.
        """
        missing = [name for name, item in self.inputs.items() if item.is_required and name not in values]
        if missing:
            raise StepInterfaceError(
                f"{self.owner} is called without {', '.join(missing)}.",
                hint=f"Pass {missing[0]}=, or give the parameter a default.",
            )

    def coerce_input(
        self, name: str, value: Any, *, what: str = "", error: type[UsageError] = StepInterfaceError
    ) -> Any:
        """Return ``value`` as the annotation of input ``name`` asks for; an error calls it ``what``.

        Raises:
            UsageError: It does not fit (``error`` is the class raised).
        """
        item = self.inputs[name]
        if value is item.default or is_reference(value):
            return value
        return coerce(item.annotation, value, what=what or f"{self.owner}: {name}", error=error)

    def arrange(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments the function is called with for ``values``, defaults filled in."""
        bound = self.python.bind_partial()
        bound.arguments.update({name: values[name] for name in self.python.parameters if name in values})
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def _annotation(self, name: str, written: Any) -> Any:
        try:
            found = resolve(written, self._function, self._names)
        except Unresolved as exc:
            self._warn(f"annotation of {name}", written, exc)
            return Any
        return Any if found is EMPTY else found

    def _try_early(self) -> None:
        """Find mistakes at definition; names that are not defined yet get a second chance when the step is used."""
        try:
            resolve(self.python.return_annotation, self._function, self._names)
            for parameter in self.python.parameters.values():
                resolve(parameter.annotation, self._function, self._names)
        except Unresolved:
            return
        assert self.inputs is not None
        assert self.outputs is not None
        # A function's surroundings may hold large values; they are not needed any more.
        self._names = {}

    def _warn(self, what: str, written: Any, reason: Exception) -> None:
        warnings.warn(f"{self.owner}: the {what}, {written}, cannot be read ({reason}); Any is taken.", stacklevel=4)


def _read(function: Callable[..., Any], *, owner: str, method: bool, reserved: tuple[str, ...]) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1 if method else 0 :]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            star = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise StepInterfaceError(
                f"{owner} takes {star}{parameter.name}.", hint="Name each parameter: what is stored needs a name."
            )
        if parameter.name in reserved:
            raise UsageError(
                f"{owner} has a parameter named {parameter.name}, which calling a step uses itself.",
                hint="Give the parameter another name.",
            )
    return signature.replace(parameters=parameters)
