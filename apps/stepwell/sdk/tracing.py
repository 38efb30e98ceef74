"""Tracing: a pipeline's body runs once with placeholders, and what it calls becomes a plan."""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from stepwell.core import graph
from stepwell.core.near import close_matches
from stepwell.core.options import SHARED_OPTIONS, merge
from stepwell.errors import ConfigError, GraphError, UsageError
from stepwell.sdk import binding, planning
from stepwell.sdk.configfile import FileValues
from stepwell.sdk.materializerchoice import choose_materializers
from stepwell.sdk.placeholders import NoOutputs, StepOutput, StepOutputs

if TYPE_CHECKING:
    from stepwell.core.plan import Binding, Plan
    from stepwell.sdk.pipelines import Pipeline
    from stepwell.sdk.steps import BaseStep

#: True while a step host imports the user's script: pipelines it calls then do not run
importing = False
_active: ContextVar[Trace | None] = ContextVar("stepwell_trace", default=None)


@dataclass(kw_only=True)
class Invocation:
    """One call of a step in a pipeline's body. ``step`` is a copy that holds the effective options."""

    id: str
    step: BaseStep
    #: the object that was called
    original: BaseStep
    options: dict[str, Any]
    #: option -> pipeline, step, call, run, or file
    origins: dict[str, str]
    inputs: dict[str, Binding]
    after: list[str]
    #: its options were changed inside the body, so importing the step does not give them
    is_changed: bool = False

    @property
    def upstream(self) -> list[str]:
        """Invocation ids this one waits for, without repetition."""
        named = [name for one in self.inputs.values() for name in sorted(one.upstream())]
        return list(dict.fromkeys([*named, *self.after]))


@dataclass
class Trace:
    """What a body has called so far."""

    pipeline_name: str
    #: options of the pipeline and of those inlined into it, outermost first
    layers: list[Mapping[str, Any]]
    #: options by invocation id that one run changes
    run_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    file: FileValues = field(default_factory=FileValues)
    #: its steps run when they are called
    is_driver: ClassVar[bool] = False
    warnings: list[str] = field(default_factory=list)
    invocations: dict[str, Invocation] = field(default_factory=dict)
    #: the highest number an id made of a name has got
    _counts: dict[str, int] = field(default_factory=dict)
    _remembered: dict[int, tuple[BaseStep, dict[str, Any], dict[str, str]]] = field(default_factory=dict)

    def add(
        self, step: BaseStep, args: tuple[Any, ...], kwargs: dict[str, Any], *, wanted_id: str | None, after: Any
    ) -> Any:
        """Record a call and return what stands for its outputs.

        Raises:
            StepInterfaceError: The arguments do not fit the step.
            GraphError: The id is taken.
        """
        invocation = self.invoke(step, args, kwargs, wanted_id=wanted_id, after=after)
        return self._placeholders(invocation.id, invocation.step)

    def invoke(
        self, step: BaseStep, args: tuple[Any, ...], kwargs: dict[str, Any], *, wanted_id: str | None, after: Any
    ) -> Invocation:
        """Record a call and return it; see ``add``."""
        invocation_id = self._new_id(step.name, wanted_id)
        options, origins = self._effective(step, invocation_id)
        inputs = binding.bind_inputs(
            step.signature,
            args,
            kwargs,
            parameters=options.get("parameters") or {},
            fixed=self.run_options.get(invocation_id, {}).get("parameters") or {},
            trace=self,
        )
        configured = copy.copy(step)
        configured._options, configured._origins = options, origins
        made = self.invocations[invocation_id] = Invocation(
            id=invocation_id,
            step=configured,
            original=step,
            options=options,
            origins=origins,
            inputs=inputs,
            after=binding.after_ids(after, owner=f"Step {invocation_id}", trace=self),
            is_changed=id(step) in self._remembered,
        )
        return made

    def remember(self, step: BaseStep) -> None:
        """Keep a step's options as they are now, to put them back when the body has ended."""
        self._remembered.setdefault(id(step), (step, step._options, step._origins))

    @contextmanager
    def inlined(self, options: Mapping[str, Any]) -> Iterator[None]:
        """Lay an inner pipeline's options over the outer one's while its body runs."""
        self.layers.append(options)
        try:
            yield
        finally:
            self.layers.pop()

    @contextmanager
    def active(self) -> Iterator[None]:
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)
            for step, options, origins in self._remembered.values():
                step._options, step._origins = options, origins

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let steps be called as if outside of the body: another pipeline is looked at, or a step runs."""
        token = _active.set(None)
        try:
            yield
        finally:
            _active.reset(token)

    def finish_tracing(self) -> None:
        """Check what can only be known at the end.

        Raises:
            GraphError: There are no steps, a cycle, or ``after`` names no step.
            ConfigError: Options were given for a step that was not called.
        """
        if not self.invocations:
            raise GraphError(f"Pipeline {self.pipeline_name} has no steps.", hint="Call at least one step in its body.")
        graph.order({one.id: one.upstream for one in self.invocations.values()})
        for name in self.run_options:
            if name in self.invocations:
                continue
            if name in self.file.steps:
                found = self.file.unknown_step(name, pipeline=self.pipeline_name, known=self.invocations)
                self.warnings.append(found)
            else:
                near = close_matches(name, self.invocations)
                hint = f"Did you mean {near[0]}?" if near else f"Its steps are: {', '.join(self.invocations)}."
                raise ConfigError(f"Pipeline {self.pipeline_name} has no step {name} to give options to.", hint=hint)

    def _new_id(self, name: str, wanted: str | None) -> str:
        if wanted is not None:
            if not isinstance(wanted, str) or not wanted.strip() or "/" in wanted or not wanted.isprintable():
                raise GraphError(f"A call of step {name} has the id {wanted!r}.", hint="Give text without slashes.")
            if wanted in self.invocations:
                raise GraphError(f"Two steps have the id {wanted}.", hint="Give one of them another id=.")
            return wanted
        number = self._counts.get(name, 0) + 1
        while (found := name if number == 1 else f"{name}_{number}") in self.invocations:
            number += 1
        self._counts[name] = number
        return found

    def _effective(self, step: BaseStep, invocation_id: str) -> tuple[dict[str, Any], dict[str, str]]:
        options: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for number, layer in enumerate(self.layers):
            shared = {name: layer[name] for name in SHARED_OPTIONS if name in layer}
            # The file is that of the outermost pipeline.
            named = _origins(shared, "pipeline", from_file=() if number else self.file.options)
            options, origins = merge(options, shared), {**origins, **named}
        if "retry" in step._options:
            # The pipeline's retry is for steps that have none of their own.
            options.pop("retry", None)
        options, origins = merge(options, step._options), {**origins, **step._origins}
        changed = dict(self.run_options.get(invocation_id, {}))
        if "output_materializers" in changed:
            names = [output.name for output in step.signature.outputs]
            changed["output_materializers"] = choose_materializers(
                changed["output_materializers"], names, owner=f"Step {invocation_id}"
            )
        named = _origins(changed, "run", from_file=self.file.of_step(invocation_id))
        return merge(options, changed), {**origins, **named}

    def _placeholders(self, invocation_id: str, step: BaseStep) -> Any:
        outputs = [StepOutput(invocation_id, output.name, trace=self) for output in step.signature.outputs]
        if not outputs:
            return NoOutputs(invocation_id, trace=self)
        return outputs[0] if len(outputs) == 1 else StepOutputs.of(invocation_id, outputs)


def _origins(options: Iterable[str], layer: str, *, from_file: Container[str]) -> dict[str, str]:
    return {name: "file" if name in from_file else layer for name in options}


def active_trace() -> Trace | None:
    """Return the trace this code runs in; None outside of a pipeline's body."""
    return _active.get()


def trace(pipeline: Pipeline, parameters: Mapping[str, Any]) -> tuple[Plan, dict[str, Invocation]]:
    """Run a static pipeline's body once and return its plan, and what was called by invocation id.

    The body of a dynamic one is not run here: its plan has a driver that runs it.

    Raises:
        UsageError: A parameter does not fit, or the body uses steps in a way that cannot run.
    """
    values = pipeline.complete_parameters(parameters)
    if pipeline.is_dynamic:
        plan = planning.build_plan(pipeline, values, {})
        plan.warnings = [*pipeline.file.warnings, *plan.warnings]
        return plan, {}
    recorder = Trace(pipeline.name, [pipeline.options], pipeline.step_options, pipeline.file)
    with recorder.active():
        returned = pipeline.run_body(values)
    recorder.finish_tracing()
    plan = planning.build_plan(pipeline, values, recorder.invocations)
    plan.returned = _binding_of(returned, recorder)
    plan.warnings = [*pipeline.file.warnings, *recorder.warnings, *plan.warnings]
    return plan, recorder.invocations


def _binding_of(returned: Any, recorder: Trace) -> Binding | None:
    """Return the binding of what a body returned; None where that is nothing a run can keep."""
    if returned is None:
        return None
    try:
        return binding.bind_value(returned, f"What pipeline {recorder.pipeline_name} returned", trace=recorder)
    except UsageError:
        return None
