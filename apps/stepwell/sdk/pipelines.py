"""Pipelines: ``@pipeline`` on a function whose body calls steps."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack, overload

from stepwell.core.options import PIPELINE_OPTIONS, STEP_OPTIONS, merge
from stepwell.core.values import encode
from stepwell.errors import ConfigError, StepInterfaceError, UsageError
from stepwell.sdk import context, localrun, planning, schema, sourcecode, tracing
from stepwell.sdk.configuration import Configuration
from stepwell.sdk.optiontypes import PipelineOptions, StepOptions
from stepwell.sdk.optionvalues import check_options
from stepwell.sdk.signature import Signature

if TYPE_CHECKING:
    from stepwell.core.plan import PipelineSpec, Plan, Source


class Pipeline:
    """A function whose calls of steps make a graph. Call it to run it.

    ``with_options`` gives a copy that runs with other options.
    """

    def __init__(self, function: Callable[..., Any], *, signature: Signature, options: Mapping[str, Any]) -> None:
        self.signature = signature
        self.options = check_options(options, PIPELINE_OPTIONS, owner=signature.owner)
        self.run_name: str | None = None
        #: options by invocation id
        self.step_options: dict[str, dict[str, Any]] = {}
        self._function = function
        #: the object the user's module holds, of which this one may be a variant
        self._origin: Any = self
        functools.update_wrapper(self, function, updated=())

    @property
    def name(self) -> str:
        """The name of the pipeline: as given, else its function's."""
        return str(self.options.get("name") or self._function.__name__)

    @property
    def enable_cache(self) -> bool | None:
        """Whether steps reuse results unless they say otherwise; None means they do."""
        return self.options.get("enable_cache")

    @property
    def configuration(self) -> Configuration:
        """The options of the pipeline, to read."""
        return Configuration(self.options, PIPELINE_OPTIONS)

    @property
    def source_code(self) -> str:
        """The source of the function with its decorators."""
        return sourcecode.source_text(self._function)

    @property
    def docstring(self) -> str | None:
        """The docstring of the function."""
        return inspect.getdoc(self._function)

    @property
    def is_dynamic(self) -> bool:
        """Whether the body runs with real values instead of being traced."""
        return bool(self.options.get("dynamic"))

    @property
    def module(self) -> str:
        """The module the function was defined in, as this process names it."""
        return self._function.__module__

    @property
    def source(self) -> Source:
        """How a step process finds the pipeline."""
        own, origin = (
            planning.source_of(thing, module=self.module, qualname=self._function.__qualname__)
            for thing in (self, self._origin)
        )
        return own if own.resolve == "import" else origin

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the pipeline and return the run; in another pipeline's body add its steps there.

        Raises:
            UsageError: An argument does not fit, or the body cannot be traced.
            Exception: What the first failing step raised; ``exc.run`` is the run.
        """
        if (trace := tracing.active_trace()) is not None:
            values = self.complete_parameters(self._bind(args, kwargs))
            with trace.inlined(self.options):
                return self.run_body(values)
        if tracing.importing:
            return None
        if context.current() is not None:
            raise UsageError(
                f"Pipeline {self.name} is called inside a running step.", hint="Call it from a script or a pipeline."
            )
        return localrun.run(self, self._bind(args, kwargs))

    def configure(self, *, merge: bool = True, **options: Unpack[PipelineOptions]) -> Pipeline:
        """Change the pipeline's options and return the pipeline.

        Raises:
            TypeError: There is no such option.
            ConfigError: A value does not fit.
        """
        self._configure(options, merging=merge)
        return self

    def with_options(
        self,
        *,
        run_name: str | None = None,
        steps: Mapping[str, StepOptions] | None = None,
        merge: bool = True,
        **options: Unpack[PipelineOptions],
    ) -> Pipeline:
        """Return a copy with other options; ``steps`` has options by invocation id.

        Raises:
            TypeError: There is no such option.
            ConfigError: A value does not fit.
        """
        made = copy.copy(self)
        made._configure(options, merging=merge)
        made.run_name = self.run_name if run_name is None else run_name
        made.step_options = {**self.step_options, **_check_step_options(steps or {}, owner=self.signature.owner)}
        return made

    def complete_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return every parameter of the function, coerced to its annotation.

        Raises:
            UsageError: One is unknown, missing or does not fit.
        """
        signature = self.signature
        signature.bind((), parameters)
        signature.check_complete(parameters)
        return {
            name: signature.coerce_input(name, parameters[name], error=UsageError)
            if name in parameters
            else item.default
            for name, item in signature.inputs.items()
        }

    def run_body(self, values: Mapping[str, Any]) -> Any:
        """Call the function with parameters by name.

        Raises:
            UsageError: The pipeline is dynamic.
        """
        if self.is_dynamic:
            raise UsageError("Dynamic pipelines are not supported yet.", hint="Leave out dynamic=True.")
        args, kwargs = self.signature.arrange(values)
        return self._function(*args, **kwargs)

    def plain_parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters as plain JSON, from which ``complete_parameters`` makes them again."""
        return {name: schema.plain(self.signature.inputs[name], value) for name, value in values.items()}

    def trace(self, parameters: Mapping[str, Any] | None = None) -> tuple[Plan, dict[str, tracing.Invocation]]:
        """Return the plan for some parameters, and the calls it is made of.

        Raises:
            UsageError: A parameter does not fit, or the body cannot be traced.
        """
        return tracing.trace(self, parameters or {})

    def spec(self, *, plan: Plan | None = None) -> PipelineSpec:
        """Return what registering the pipeline stores. ``plan`` is one traced already, whatever its parameters.

        Raises:
            UsageError: The body cannot be traced with the parameters' defaults.
        """
        from stepwell.core.plan import PipelineSpec

        return PipelineSpec(
            name=self.name,
            source=self.source,
            docstring=self.docstring,
            parameters_schema=schema.parameters_schema(self.signature),
            source_code=self.source_code,
            plan=self._default_plan(plan),
            dynamic=self.is_dynamic,
        )

    def _default_plan(self, traced: Plan | None) -> Plan | None:
        if self.is_dynamic or any(item.is_required for item in self.signature.inputs.values()):
            return None
        defaults = self.complete_parameters({})
        if traced is not None and all(traced.parameters[name] == encode(defaults[name]) for name in defaults):
            return traced
        return self.trace()[0]

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return self.signature.bind(args, kwargs)

    def _configure(self, options: Mapping[str, Any], *, merging: bool) -> None:
        given = check_options(options, PIPELINE_OPTIONS, owner=self.signature.owner)
        self.options = merge(self.options, given) if merging else {**self.options, **given}


def _check_step_options(steps: Mapping[str, Mapping[str, Any]], *, owner: str) -> dict[str, dict[str, Any]]:
    known = [name for name in STEP_OPTIONS if name not in ("name", "output_materializers")]
    checked = {}
    for invocation_id, options in steps.items():
        if not isinstance(options, Mapping):
            raise ConfigError(
                f"{owner}: steps has {options!r} for {invocation_id}.", hint='Write steps={"train": {"retry": ...}}.'
            )
        checked[invocation_id] = check_options(options, known, owner=f"{owner}: steps[{invocation_id!r}]")
    return checked


@overload
def pipeline(function: Callable[..., Any], /) -> Pipeline: ...
@overload
def pipeline(**options: Unpack[PipelineOptions]) -> Callable[[Callable[..., Any]], Pipeline]: ...
def pipeline(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a pipeline of a function; with options or without.

    Raises:
        UsageError: It is put on something that is no function, or the function cannot be a pipeline's.
        TypeError: There is no such option.
        ConfigError: A value does not fit.

    Example:
        @pipeline
        def training(rate: float = 0.1):
            train(load(), rate=rate)
    """
    if function is None:
        return functools.partial(_make_pipeline, options=options)
    return _make_pipeline(function, options=options)


def _make_pipeline(function: Any, *, options: dict[str, Any]) -> Pipeline:
    if not inspect.isfunction(function):
        raise UsageError(f"@pipeline is put on {function!r}, which is no function.", hint="Put it on a def.")
    owner = f"Pipeline {options.get('name') or function.__name__}"
    if inspect.iscoroutinefunction(function):
        raise StepInterfaceError(f"{owner} is an async def.", hint="Make it a def; its steps may be async.")
    names = _names_around(function)
    signature = Signature(function, owner=owner, names=names, reserved=())
    return Pipeline(function, signature=signature, options=options)


def _names_around(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the local names an annotation written inside a function can mean."""
    if "<locals>" not in function.__qualname__:
        return {}
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return dict(frame.f_locals)
