"""Pipelines: ``@pipeline`` on a function whose body calls steps."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack, overload

from stepwell.core.options import PIPELINE_OPTIONS, merge
from stepwell.core.values import encode, is_reference
from stepwell.errors import ConfigError, StepInterfaceError, UsageError
from stepwell.sdk import configfile, context, dynamic, localrun, planning, references, schema, sourcecode, tracing
from stepwell.sdk.configuration import Configuration
from stepwell.sdk.optiontypes import PipelineOptions, StepOptions
from stepwell.sdk.optionvalues import check_options
from stepwell.sdk.places import place_of
from stepwell.sdk.signature import Signature

if TYPE_CHECKING:
    from stepwell.core.plan import PipelineSpec, Plan, Source
    from stepwell.sdk.futures import PipelineFuture
    from stepwell.sdk.responses import PipelineRun
    from stepwell.sdk.schedule import Schedule


class Pipeline:
    """A function whose calls of steps make a graph. Call it to run it.

    ``with_options`` gives a copy that runs with other options.
    """

    def __init__(self, function: Callable[..., Any], *, signature: Signature, options: Mapping[str, Any]) -> None:
        self.signature = signature
        self.options = check_options(options, PIPELINE_OPTIONS, owner=signature.owner)
        self.run_name: str | None = None
        #: calling the pipeline stores this instead of running
        self.schedule: Schedule | None = None
        #: options by invocation id
        self.step_options: dict[str, dict[str, Any]] = {}
        self.file = configfile.FileValues()
        self._function = function
        self._seems_dynamic: bool | None = None
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
        """Whether the body runs as a driver, with real values, instead of being traced.

        It does when ``dynamic=True`` says so, or its code calls ``submit``, ``map``, ``product``, ``load`` or ``wait``.
        """
        said = self.options.get("dynamic")
        if said is None:
            if self._seems_dynamic is None:
                # What calls itself is not looked into again.
                self._seems_dynamic = False
                self._seems_dynamic = importlib.import_module("stepwell.sdk.detection").is_dynamic(self._function)
            return self._seems_dynamic
        return bool(said)

    @property
    def module(self) -> str:
        """The module the function was defined in, as this process names it."""
        return self._function.__module__

    @property
    def source(self) -> Source:
        """How a step process finds the pipeline."""
        return self._source_of(self.importable)

    @property
    def importable(self) -> Any:
        """This pipeline where a module holds it, else what it was made from (a pipeline, or a single step)."""
        return self if self._source_of(self).resolve == "import" else self._origin

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the pipeline and return the run; in another pipeline's body add its steps there.

        With a schedule, store the code and the schedule and return what was stored; nothing runs now.

        Raises:
            UsageError: An argument does not fit, or the body cannot be traced.
            Exception: What the first failing step raised; ``exc.run`` is the run.
        """
        if (trace := tracing.active_trace()) is not None:
            if trace.is_driver:
                return dynamic.find_driver(self.name).call_pipeline(self, self._bind(args, kwargs)).result()
            values = self.complete_parameters(self._bind(args, kwargs))
            with trace.inlined(self.options):
                return self.run_body(values)
        if tracing.importing:
            return None
        if context.current() is not None:
            raise UsageError(
                f"Pipeline {self.name} is called inside a running step.", hint="Call it from a script or a pipeline."
            )
        if self.schedule is not None:
            localrun.count_call()
            # By name: a script that schedules nothing does not load what cron needs.
            scheduled = importlib.import_module("stepwell.sdk.scheduled")
            return scheduled.store(self, self._origin, self.schedule, self._bind(args, kwargs))
        return localrun.run(self, self._bind(args, kwargs))

    def submit(self, *args: Any, **kwargs: Any) -> PipelineFuture:
        """Start a run of the pipeline beside the rest of the dynamic pipeline that calls it, and return its future.

        Raises:
            UsageError: Not in the body of a dynamic pipeline, or an argument does not fit.
        """
        driver = dynamic.find_driver(f"{self.name}.submit")
        return driver.call_pipeline(self, self._bind(args, kwargs))

    def embed(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body as a part of the pipeline that calls it: its steps become steps of that run.

        Returns what the body returns.

        Raises:
            UsageError: Not in the body of a pipeline, or an argument does not fit.
        """
        trace = tracing.active_trace()
        if trace is None:
            raise UsageError(f"{self.name}.embed works in the body of a pipeline only.", hint="Call the pipeline.")
        given = self._bind(args, kwargs)
        values = self.complete_parameters(given) if not trace.is_driver else dynamic.embedded_values(self, given)
        with trace.inlined(self.options):
            return self.call_body(values)

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
        schedule: Schedule | None = None,
        steps: Mapping[str, StepOptions] | None = None,
        config_path: str | os.PathLike[str] | None = None,
        strict: bool = False,
        merge: bool = True,
        **options: Unpack[PipelineOptions],
    ) -> Pipeline:
        """Return a copy with other options; ``steps`` has options by invocation id.

        ``config_path`` is a YAML file with options, ``steps``, ``parameters`` and ``run_name``; what is given here
        beside it wins over it. What is odd in it is only warned about, unless ``strict``.

        Calling a copy with a ``schedule`` stores the schedule and runs nothing.

        Raises:
            TypeError: There is no such option.
            ConfigError: A value does not fit.
        """
        made = copy.copy(self)
        if config_path is not None:
            made._read_file(config_path, strict=strict)
        made._configure(options, merging=merge)
        if run_name is not None:
            made.run_name = check_options({"run_name": run_name}, ["run_name"], owner=self.signature.owner)["run_name"]
        made.schedule = _check_schedule(made.schedule if schedule is None else schedule, self.signature.owner)
        checked = _check_step_options(steps or {}, owner=self.signature.owner)
        made.step_options = configfile.merge_steps(made.step_options, checked)
        made.file = made.file.without((), checked)
        return made

    def replay(self, run: Any = None, **changes: Any) -> PipelineRun:
        """Start a new run from an earlier one of this pipeline and return it; a runner (``stepwell up``) takes it.

        Args:
            run: number, id, name or the run itself; None is the newest of this pipeline.
            changes: those of ``PipelineRun.rerun``: ``scope`` (``"whole"``, ``"failed"``, ``"steps"``), ``from_steps``,
                ``code`` (``"as_run"``, ``"newest"``), ``parameters``, and ``steps``, options by invocation id.

        Raises:
            NotFound: There is no such run, or none of this pipeline yet.
            UsageError: The run is another pipeline's, or a parameter, a step or an option does not fit.
            Conflict: The scope is not ``whole`` and the run has not ended.
        """
        localrun.count_call()
        # By name: the client is for those who look at what a run made.
        made: PipelineRun = importlib.import_module("stepwell.sdk.replays").replay(self.name, run, **changes)
        return made

    def complete_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return every parameter of the function, coerced to its annotation.

        Raises:
            UsageError: One is unknown, missing or does not fit.
        """
        signature = self.signature
        signature.check_names(parameters)
        parameters = configfile.combine_parameters(signature, self.file, parameters)
        signature.check_complete(parameters)
        parameters = {
            name: references.understand(value, signature.inputs[name].annotation) for name, value in parameters.items()
        }
        return {
            name: signature.coerce_input(name, parameters[name], error=UsageError)
            if name in parameters
            else item.default
            for name, item in signature.inputs.items()
        }

    def run_body(self, values: Mapping[str, Any]) -> Any:
        """Call the function with parameters by name, to trace it.

        Raises:
            UsageError: The pipeline is dynamic.
        """
        if self.is_dynamic:
            raise UsageError(
                f"Pipeline {self.name} is dynamic and is called in a static one.",
                hint="Write @pipeline(dynamic=True) on the one that calls it.",
            )
        return self.call_body(values)

    def call_body(self, values: Mapping[str, Any]) -> Any:
        """Call the function with parameters by name."""
        args, kwargs = self.signature.arrange(values)
        return self._function(*args, **kwargs)

    def plain_parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters as plain JSON, from which ``complete_parameters`` makes them again."""
        return {
            name: str(value.version_id) if is_reference(value) else schema.plain(self.signature.inputs[name], value)
            for name, value in values.items()
        }

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
            parameters_schema=schema.with_defaults(schema.parameters_schema(self.signature), self.file.parameters),
            source_code=self.source_code,
            plan=self._default_plan(plan),
            dynamic=self.is_dynamic,
        )

    def _default_plan(self, traced: Plan | None) -> Plan | None:
        inputs = self.signature.inputs.items()
        if self.is_dynamic or any(item.is_required and name not in self.file.parameters for name, item in inputs):
            return None
        defaults = self.complete_parameters({})
        if traced is not None and all(traced.parameters[name] == encode(defaults[name]) for name in defaults):
            return traced
        return self.trace()[0]

    def _source_of(self, thing: Any) -> Source:
        return planning.source_of(thing, module=self.module, qualname=self._function.__qualname__)

    def _read_file(self, path: str | os.PathLike[str], *, strict: bool) -> None:
        beside = place_of(self.module).source_root
        config = configfile.read_config(configfile.find_file(path, beside=beside), strict=strict)
        self.options = merge(self.options, config.options)
        self.step_options = configfile.merge_steps(self.step_options, config.steps)
        self.file = self.file.with_file(config, strict=strict)
        self.run_name = config.run_name or self.run_name
        if config.schedule is not None:
            # By name, as where a schedule is stored.
            kind = importlib.import_module("stepwell.sdk.schedule").Schedule
            try:
                self.schedule = kind(**config.schedule)
            except TypeError as exc:
                raise ConfigError(f"{config.name}: schedule: {exc}.", hint="See the options of Schedule.") from exc

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return self.signature.bind(args, kwargs)

    def _configure(self, options: Mapping[str, Any], *, merging: bool) -> None:
        given = check_options(options, PIPELINE_OPTIONS, owner=self.signature.owner)
        self.options = merge(self.options, given) if merging else {**self.options, **given}
        self.file = self.file.without(given)


def _check_schedule(schedule: Any, owner: str) -> Any:
    if schedule is not None and not hasattr(schedule, "timing"):
        raise ConfigError(f"{owner}: schedule is {schedule!r}.", hint="Give a Schedule: from stepwell import Schedule.")
    return schedule


def _check_step_options(steps: Mapping[str, Mapping[str, Any]], *, owner: str) -> dict[str, dict[str, Any]]:
    checked = {}
    for invocation_id, options in steps.items():
        if not isinstance(options, Mapping):
            raise ConfigError(
                f"{owner}: steps has {options!r} for {invocation_id}.", hint='Write steps={"train": {"retry": ...}}.'
            )
        checked[invocation_id] = check_options(
            options, configfile.RUN_STEP_OPTIONS, owner=f"{owner}: steps[{invocation_id!r}]"
        )
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
