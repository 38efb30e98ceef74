"""The driver: runs the body of a dynamic pipeline, and has what it calls stored, run and awaited."""

from __future__ import annotations

import reprlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from stepwell.errors import StepExecutionException, UsageError
from stepwell.sdk import binding, cacheparts, inline, mapping, planning, stepkeeping
from stepwell.sdk.artifactstore import ArtifactStore
from stepwell.sdk.awaiting import BATCH, Awaiting, Futures
from stepwell.sdk.driverline import DriverLine
from stepwell.sdk.futures import (
    MapResultsFuture,
    PipelineFuture,
    StepFuture,
    ids_in,
    unwrap,
)
from stepwell.sdk.hooks import PIPELINE_HOOKS, STEP_HOOKS, describe
from stepwell.sdk.places import place_of
from stepwell.sdk.tags import cascading
from stepwell.sdk.tracing import Invocation

if TYPE_CHECKING:
    from stepwell.core.plan import PlannedStep
    from stepwell.sdk.pipelines import Pipeline
    from stepwell.sdk.steps import BaseStep

_MOST_SHOWN = 40
_repr = reprlib.Repr()


@dataclass
class Driver(Awaiting):
    """Has what the body calls stored and run. Only the body's own thread may call steps."""

    is_driver: ClassVar[bool] = True
    pipeline: Pipeline = field(kw_only=True)
    futures: list[Futures] = field(default_factory=list)
    _n_waits: int = 0
    _last_wait: dict[str, Any] = field(default_factory=dict)
    _memo: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, pipeline: Pipeline, *, line: DriverLine, store: ArtifactStore) -> Driver:
        """Return the driver of a pipeline."""
        return cls(
            pipeline.name,
            [step_layer(pipeline.options)],
            pipeline.step_options,
            pipeline.file,
            line=line,
            store=store,
            pipeline=pipeline,
        )

    # Calls of the body

    def add(
        self, step: BaseStep, args: tuple[Any, ...], kwargs: dict[str, Any], *, wanted_id: str | None, after: Any
    ) -> Any:
        """Run a step now and return its artifacts.

        Raises:
            Exception: What the step raised.
        """
        return self.submit(step, args, kwargs, wanted_id=wanted_id, after=unwrap(after)).result()

    def submit(
        self,
        step: BaseStep,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        wanted_id: str | None = None,
        after: Any = None,
        start_after: Any = None,
    ) -> StepFuture:
        """Have a step run, and return its future.

        Raises:
            StepInterfaceError: The arguments do not fit.
        """
        self._check_thread(step.name)
        given = {name: unwrap(value) for name, value in kwargs.items()}
        invocation = self.invoke(step, tuple(map(unwrap, args)), given, wanted_id=wanted_id, after=after)
        planned = self._plan(invocation)
        upstream = _upstream(invocation.upstream, start_after)
        label = _label(step.name, step.signature.bind(args, kwargs))
        row: list[Any] = [invocation.id, {}, {}, upstream, None]
        entry = self._entry("step", step.name, planned.inputs, [row], invocation_id=invocation.id, label=label)
        (future,) = self._store_call(entry, planned, [row], invocation)
        self.futures.append(future)
        self._run_inline(planned, invocation, [future])
        return future

    def map(
        self,
        step: BaseStep,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        after: list[str],
        start_after: list[str],
        is_product: bool,
    ) -> MapResultsFuture:
        """Have a step run for every item, or every combination of items.

        Raises:
            RuntimeError: The lengths differ, or there is nothing to map over. Nothing runs.
            StepInterfaceError: The arguments do not fit.
        """
        self._check_thread(step.name)
        taken = mapping.split(step.signature, step.signature.bind(args, kwargs), is_product=is_product)
        kind, n_items = "product" if is_product else "map", len(taken.rows)
        label = f"{step.name} over {n_items:,} {'combinations' if is_product else 'items'}"
        if not n_items:
            nothing_id = self._new_id(step.name, None)
            entry = self._entry(kind, step.name, {}, [], invocation_id=nothing_id, label=label)
            self.line.ask("driver.call", {"entry": entry, "template": {}, "steps": []})
            return MapResultsFuture([], driver=self, invocation_id=nothing_id)
        first = {name: _plain(value) for name, value in next(taken.arguments()).items()}
        invocation = self.invoke(step, (), {**taken.shared, **first}, wanted_id=None, after=after)
        planned = self._plan(invocation, group=True)
        rows = list(self._rows(invocation, taken, start_after))
        for name in taken.names:
            del planned.inputs[name]
        entry = self._entry(kind, step.name, planned.inputs, rows, invocation_id=invocation.id, label=label)
        futures = self._store_call(entry, planned, rows, invocation)
        self.futures.extend(futures)
        self._run_inline(planned, invocation, futures)
        return MapResultsFuture(futures, driver=self, invocation_id=invocation.id)

    def call_pipeline(self, pipeline: Pipeline, values: Mapping[str, Any]) -> PipelineFuture:
        """Start a run of another pipeline.

        Raises:
            UsageError: An argument does not fit, or its body cannot be traced.
        """
        self._check_thread(pipeline.name)
        complete = pipeline.complete_parameters({name: _value_of(value) for name, value in values.items()})
        with self.suspended():
            plan, _ = pipeline.trace(complete)
            spec = pipeline.spec(plan=plan)
        parameters = pipeline.plain_parameters(complete)
        label = _label(pipeline.name, values)
        entry = self._entry("pipeline", pipeline.name, parameters, [], label=label)
        told = self.line.ask(
            "driver.pipeline",
            {
                "entry": entry,
                "spec": spec.model_dump(mode="json"),
                "plan": plan.model_dump(mode="json"),
                "parameters": parameters,
            },
        )
        self._note_status(told["run"], told["status"])
        future = PipelineFuture(self, run_id=told["run"], number=told["number"], name=pipeline.name)
        self.futures.append(future)
        return future

    def ask_people(self, *, name: str, question: str, schema: dict[str, Any], timeout: float | None) -> dict[str, Any]:
        """Open a wait, or return what became of it: ``id``, ``status``, ``answer`` and ``by``."""
        self._check_thread("wait")
        asked = {"question": question, "schema": schema, "timeout": timeout}
        entry = self._entry("wait", name, {"schema": schema, "question": question}, [], label=question or name)
        told: dict[str, Any] = self.line.ask("driver.wait", {"entry": entry, "wait": asked})
        self._last_wait = {"entry": entry, "wait": asked}
        return told

    def wait_name(self, wanted: str | None) -> str:
        """Return the name of a wait: the one wanted, else ``wait``, ``wait_2``, ..."""
        self._n_waits += 1
        return wanted or ("wait" if self._n_waits == 1 else f"wait_{self._n_waits}")

    def ask_again(self) -> dict[str, Any]:
        """Return what has become of the latest wait."""
        told: dict[str, Any] = self.line.ask("driver.wait", self._last_wait)
        return told

    # The end

    def conclude(self, returned: Any, *, tolerates: bool) -> dict[str, Any] | None:
        """Wait for everything that was called, and return the binding of what the body returned.

        Raises:
            StepExecutionException: Something failed that nobody asked for, unless the mode ``tolerates`` it.
            UsageError: What the body returned cannot be stored.
        """
        self.wait_for(self.futures)
        self.line.flush()
        failed = [one for one in self.futures if not self.is_done(one.id) and not one.is_failure_known]
        roots = [one for one in failed if self.line.statuses.get(one.id) != "skipped"] or failed
        if roots and not tolerates:
            first = roots[0]
            more = f" and {len(roots) - 1} more" if len(roots) > 1 else ""
            what = "Step" if isinstance(first, StepFuture) else "Run"
            try:
                first.result()
            except Exception as exc:
                raise StepExecutionException(
                    f"{what} {first.invocation_id}{more} failed, and the pipeline did not ask for the result: "
                    f"{type(exc).__name__}: {exc}",
                    step=first.invocation_id,
                ) from exc
        found = unwrap(returned)
        if found is None:
            return None
        made = binding.bind_value(found, f"What pipeline {self.pipeline_name} returned", trace=self)
        return made.model_dump(mode="json")

    # Parts

    def _check_thread(self, name: str) -> None:
        if threading.get_ident() != self._thread:
            raise UsageError(
                f"{name} is called in another thread than the pipeline's body runs in.",
                hint="Call steps in the body itself and let submit or map run them side by side.",
            )

    def _plan(self, invocation: Invocation, *, group: bool = False) -> PlannedStep:
        planned = planning.plan_step(
            invocation,
            source_root=place_of(self.pipeline.module).source_root,
            memo=self._memo,
            on_init=describe(self.pipeline.options.get("on_init")),
            tags=cascading(self.pipeline.options.get("tags", [])),
        )
        planned.source = stepkeeping.source_for_children(invocation, planned.source, store=self.store)
        if group:
            from stepwell.core.plan import Group

            planned.options.group = Group(id=invocation.id, name=invocation.step.name, type="map")
        return planned

    def _rows(self, invocation: Invocation, taken: mapping.Arguments, start_after: list[str]) -> Iterator[list[Any]]:
        signature = invocation.step.signature
        ignored = {
            f"parameter {name}" for name in (invocation.options.get("cache_policy") or {}).get("ignored_inputs", ())
        }
        shared = [name for name, one in invocation.inputs.items() if name not in taken.names for name in one.upstream()]
        above = list(dict.fromkeys([*shared, *invocation.after]))
        for index, row in enumerate(taken.rows):
            inputs = {
                name: self._bind_item(value, name, signature) for name, value in zip(taken.names, row, strict=True)
            }
            named = [step for one in inputs.values() for step in sorted(one.upstream())]
            parts = {name: part for name, part in cacheparts.parameter_parts(inputs) if name not in ignored}
            yield [
                f"map:{invocation.id}:{index}",
                {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in inputs.items()},
                parts,
                _upstream([*dict.fromkeys([*named, *above])], start_after),
                index,
            ]

    def _bind_item(self, value: Any, name: str, signature: Any) -> Any:
        from stepwell.core.plan import Binding

        if not isinstance(value, mapping.Taken):
            return binding.bind_one(value, name, signature=signature, trace=self)
        where = {"step": value.artifact.step_id, "name": value.artifact.name, "index": value.index}
        encoded = value.encoded(signature, name)
        if encoded is None:
            return Binding(kind="item", **where)
        return Binding(kind="value", value=encoded[0], **where)

    def _store_call(
        self, entry: dict[str, Any], planned: PlannedStep, rows: list[list[Any]], invocation: Invocation
    ) -> list[StepFuture]:
        template = planned.model_dump(mode="json")
        outputs = [output.name for output in invocation.step.signature.outputs]
        futures = []
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            told = self.line.ask("driver.call", {"entry": entry, "template": template, "steps": batch})
            for row, (step_id, status) in zip(batch, told["steps"], strict=True):
                self._note_status(step_id, status)
                futures.append(StepFuture(self, invocation_id=row[0], step_id=step_id, outputs=outputs))
        return futures

    def _run_inline(self, planned: PlannedStep, invocation: Invocation, futures: Sequence[StepFuture]) -> None:
        """Run steps in this process, one after the other, where their option says so."""
        if planned.options.runtime != "inline":
            return
        for future in futures:
            while not self.line.is_settled(future.id):
                told = self.line.ask("driver.begin", {"step": future.id})
                if above := told.get("waits_for"):
                    self.line.wait_until(partial(self._are_settled, above))
                    continue
                if "payload" in told:
                    with self.suspended():
                        told = inline.run_attempt(invocation.step, step_id=future.id, begun=told, line=self.line)
                    time.sleep(told.get("wait", 0))
                self._note_status(future.id, told["status"])
                if told["status"] == "pending":
                    self.line.wait_until(partial(self.line.is_settled, future.id), timeout=0.2)

    def _are_settled(self, ids: Sequence[str]) -> bool:
        return all(map(self.line.is_settled, ids))


def step_layer(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a dynamic pipeline that hold for its steps: its hooks are called once, for the run."""
    return {name: value for name, value in options.items() if name not in (*STEP_HOOKS, *PIPELINE_HOOKS)}


def _upstream(names: Iterable[str], start_after: Any) -> list[list[Any]]:
    loose = ids_in(start_after, owner="A step", what="start_after") if not _is_text_list(start_after) else start_after
    return [*([name, False] for name in names), *([name, True] for name in loose if name not in names)]


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, mapping.Taken) else value


def _value_of(value: Any) -> Any:
    found = unwrap(value)
    return found.load() if hasattr(found, "load") else found


def _label(name: str, arguments: Mapping[str, Any]) -> str:
    shown = []
    for key, value in arguments.items():
        is_future = isinstance(value, StepFuture | MapResultsFuture | PipelineFuture)
        text = value.invocation_id if is_future else _repr.repr(value)
        shown.append(f"{key}={text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + '…'}")
    return f"{name}({', '.join(shown)})"[:500]
