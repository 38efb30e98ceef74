"""Steps: ``@step`` on a function, or a subclass of ``BaseStep``."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack, overload

from stepwell.core.near import close_matches
from stepwell.core.options import STEP_OPTIONS, merge
from stepwell.core.values import is_reference
from stepwell.errors import ConfigError, StepInterfaceError, UsageError
from stepwell.sdk import context, dynamic, sourcecode, tracing
from stepwell.sdk.configuration import Configuration
from stepwell.sdk.materializerchoice import choose_materializers
from stepwell.sdk.optiontypes import StepOptions
from stepwell.sdk.optionvalues import check_options
from stepwell.sdk.signature import Signature

if TYPE_CHECKING:
    from stepwell.sdk.futures import MapResultsFuture, StepFuture


class BaseStep(ABC):
    """A unit of work of a pipeline.

    Make one with ``@step``, or subclass this, define ``entrypoint`` and instantiate it. Every option is a keyword
    argument; None leaves it as it is.

    Example:
        class Double(BaseStep):
            def entrypoint(self, number: int) -> int:
                return number * 2
    """

    signature: ClassVar[Signature]
    _options: dict[str, Any]
    _origins: dict[str, str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        entrypoint = cls.__dict__.get("entrypoint")
        if "signature" in cls.__dict__ or entrypoint is None or getattr(entrypoint, "__isabstractmethod__", False):
            return
        is_static = isinstance(entrypoint, staticmethod)
        function = entrypoint.__func__ if is_static else entrypoint
        cls.signature = Signature(
            function, owner=f"Step {cls.__name__}", names=_names_around(sys._getframe(1), cls), method=not is_static
        )

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        # Here and not in __init__, so that a subclass whose __init__ does not call ours works all the same.
        made._options, made._origins = {}, {}
        return made

    def __init__(self, **options: Unpack[StepOptions]) -> None:
        self._configure(options, merging=True, layer="step")

    @abstractmethod
    def entrypoint(self, *args: Any, **kwargs: Any) -> Any:
        """The core logic of the step."""

    def __call__(self, *args: Any, id: str | None = None, after: Any = None, **kwargs: Any) -> Any:  # noqa: A002 - the reference's name
        """Add the step to the pipeline whose body calls it; inside a running step call the function; elsewhere run it.

        Elsewhere means a run of a pipeline with this one step, without caching; its value or values are returned.

        Raises:
            StepInterfaceError: The arguments do not fit.
        """
        if (trace := tracing.active_trace()) is not None:
            return trace.add(self, args, kwargs, wanted_id=id, after=after)
        if context.current() is not None:
            return self.call_entrypoint(*args, **kwargs)
        from stepwell.sdk.single import run_single

        return run_single(self, args, kwargs)

    def configure(self, *, merge: bool = True, **options: Unpack[StepOptions]) -> Self:
        """Change the step's options and return the step.

        With ``merge`` dicts merge and secrets add up; without it each option given replaces the old value.
        A change made in a pipeline's body ends with it.

        Raises:
            TypeError: There is no such option.
            ConfigError: A value does not fit.
        """
        if (trace := tracing.active_trace()) is not None:
            trace.remember(self)
        self._configure(options, merging=merge, layer="step")
        return self

    def with_options(self, *, merge: bool = True, **options: Unpack[StepOptions]) -> Self:
        """Return a copy of the step with changed options; the step stays as it is.

        Raises:
            TypeError: There is no such option.
            ConfigError: A value does not fit.
        """
        made = copy.copy(self)
        made._configure(options, merging=merge, layer="call")
        return made

    def call_entrypoint(self, *args: Any, **kwargs: Any) -> Any:
        """Call the step's function, without a run; arguments are coerced to their annotations. For tests.

        Raises:
            StepInterfaceError: The arguments do not fit.
        """
        signature = self.signature
        values = {**self._options.get("parameters", {}), **signature.bind(args, kwargs)}
        signature.check_complete(values)
        loaded = {name: value.load() if is_reference(value) else value for name, value in values.items()}
        return self.run_entrypoint({name: signature.coerce_input(name, value) for name, value in loaded.items()})

    def run_entrypoint(self, values: Mapping[str, Any]) -> Any:
        """Run the function with inputs by name, defaults filled in; an ``async def`` runs to completion."""
        args, kwargs = self.signature.arrange(values)
        result = self.entrypoint(*args, **kwargs)
        if inspect.iscoroutine(result):
            import asyncio

            return asyncio.run(result)
        return result

    def submit(
        self,
        *args: Any,
        id: str | None = None,  # noqa: A002 - the reference's name
        after: Any = None,
        start_after: Any = None,
        **kwargs: Any,
    ) -> StepFuture:
        """Let the step run beside the rest of a dynamic pipeline, and return its future.

        It starts once what it is given and what ``after`` names is done, and what ``start_after`` names has ended,
        whatever became of it.

        Raises:
            UsageError: Not in the body of a dynamic pipeline.
            StepInterfaceError: The arguments do not fit.
            TypeError: ``after`` holds something that is no future.
        """
        return dynamic.submit(self, args, kwargs, wanted_id=id, after=after, start_after=start_after)

    def map(self, *args: Any, after: Any = None, start_after: Any = None, **kwargs: Any) -> MapResultsFuture:
        """Run the step for every item of the sequences it is given, and return the futures in their order.

        Sequences are lists and tuples, outputs of steps that are one, and results of other maps; several are zipped.
        Other values, and what is ``unmapped``, go to every step.

        Raises:
            RuntimeError: The sequences differ in length, or there is none. Nothing runs.
            UsageError: Not in the body of a dynamic pipeline.
        """
        return dynamic.map_over(self, args, kwargs, after=after, start_after=start_after, is_product=False)

    def product(self, *args: Any, after: Any = None, start_after: Any = None, **kwargs: Any) -> MapResultsFuture:
        """Run the step for every combination of items, in the order of its inputs, the last varying fastest.

        Raises:
            RuntimeError: There is no sequence to take items from. Nothing runs.
            UsageError: Not in the body of a dynamic pipeline.
        """
        return dynamic.map_over(self, args, kwargs, after=after, start_after=start_after, is_product=True)

    @property
    def name(self) -> str:
        """The name of the step: as given, else its function's or class's."""
        return str(self._options.get("name") or type(self).__name__)

    @property
    def enable_cache(self) -> bool | None:
        """Whether results are reused; None leaves it to the pipeline."""
        return self._options.get("enable_cache")

    @property
    def configuration(self) -> Configuration:
        """The options of the step, to read."""
        return Configuration(self._options, STEP_OPTIONS)

    @property
    def source_code(self) -> str:
        """The source of the function with its decorators, or of the class."""
        return sourcecode.source_text(self.code)

    @property
    def docstring(self) -> str | None:
        """The docstring of the function or class; None when it has none of its own."""
        written = type(self).__dict__.get("__doc__")
        return inspect.cleandoc(written) if written else None

    @property
    def code(self) -> Any:
        """What holds the step's source: the decorated function, or the class."""
        return getattr(self, "__wrapped__", type(self))

    @property
    def state(self) -> dict[str, Any]:
        """What the instance was given besides options; it counts for the cache key."""
        return {name: value for name, value in vars(self).items() if name not in ("_options", "_origins")}

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    def _configure(self, options: Mapping[str, Any], *, merging: bool, layer: str) -> None:
        name = options.get("name")
        owner = f"Step {name if isinstance(name, str) and name.isidentifier() else self.name}"
        given = check_options(options, STEP_OPTIONS, owner=owner)
        if "parameters" in given:
            given["parameters"] = self._check_parameters(given["parameters"])
        if "output_materializers" in given:
            names = [output.name for output in self.signature.outputs]
            given["output_materializers"] = choose_materializers(given["output_materializers"], names, owner=owner)
        # New dicts each time: copies and running invocations share the old ones.
        self._options = merge(self._options, given) if merging else {**self._options, **given}
        self._origins = {**self._origins, **dict.fromkeys(given, layer)}

    def _check_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        owner, inputs = self.signature.owner, self.signature.inputs
        for name in parameters:
            if name not in inputs:
                near = close_matches(name, inputs)
                hint = f"Did you mean {near[0]}?" if near else f"Its inputs are: {', '.join(inputs) or 'none'}."
                raise StepInterfaceError(f"{owner}: parameters has {name}, but there is no input {name}.", hint=hint)
        found = {}
        for name, value in parameters.items():
            what = f"{owner}: parameters[{name!r}]"
            found[name] = self.signature.coerce_input(name, value, what=what, error=ConfigError)
        return found


@overload
def step(function: Callable[..., Any], /) -> BaseStep: ...
@overload
def step(**options: Unpack[StepOptions]) -> Callable[[Callable[..., Any]], BaseStep]: ...
def step(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a step of a function; with options or without.

    Raises:
        UsageError: It is put on something that is no function.
        StepInterfaceError: The function cannot be a step's.
        TypeError: There is no such option.
        ConfigError: A value does not fit.

    Example:
        @step
        def double(number: int) -> int:
            return number * 2
    """
    if function is None:
        return functools.partial(_make_step, options=options)
    return _make_step(function, options=options)


def _make_step(function: Any, *, options: dict[str, Any]) -> BaseStep:
    _check_function(function)
    given_name = options.get("name") or function.__name__
    content = {
        "entrypoint": staticmethod(function),
        "signature": Signature(function, owner=f"Step {given_name}", names=_names_around(sys._getframe(1), function)),
        "__wrapped__": staticmethod(function),
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
    }
    kind: Any = ABCMeta(function.__name__, (BaseStep,), content)
    made: BaseStep = kind(**options)
    return made


def _check_function(function: Any) -> None:
    if inspect.isfunction(function):
        return
    if isinstance(function, BaseStep):
        raise UsageError(f"@step is put on the step {function.name}.", hint="Use its with_options(...) instead.")
    if isinstance(function, type):
        raise UsageError(
            f"@step is put on the class {function.__name__}.",
            hint="Subclass BaseStep, define entrypoint and instantiate it.",
        )
    raise UsageError(f"@step is put on {function!r}, which is no function.", hint="Put it on a def.")


def _names_around(frame: FrameType, thing: Any) -> dict[str, Any]:
    """Return the local names an annotation written inside a function can mean."""
    if "<locals>" not in thing.__qualname__:
        return {}
    found: FrameType | None = frame
    while found is not None and found.f_globals.get("__name__") in ("abc", __name__, "functools"):
        found = found.f_back
    return dict(found.f_locals) if found is not None else {}
