"""The steps and runs that a driver's calls make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from stepwell.accounts.models import InstanceSettings
from stepwell.artifacts import model_actions
from stepwell.artifacts.models import StepArtifact
from stepwell.core import cachekey
from stepwell.core.plan import Binding, Overrides, PipelineSpec, Plan, PlannedStep
from stepwell.core.status import (
    DONE_STEP,
    TERMINAL_STEP,
    RerunScope,
    RunStatus,
    StepKind,
    StepStatus,
    Trigger,
)
from stepwell.engine.advance import start_new
from stepwell.errors import ConfigError
from stepwell.execution import actions, inputs, limits, planning, runnames
from stepwell.execution.doorbell import ring_on_commit
from stepwell.execution.stores import OrmRunStore
from stepwell.kit.models import DbNow
from stepwell.pipelines.actions import store_snapshot
from stepwell.pipelines.models import Snapshot
from stepwell.runs import events
from stepwell.runs.models import Attempt, DriverCall, Run, StepEdge, StepRun
from stepwell.stacks import actions as components
from stepwell.vault.actions import check_names

Row = list[Any]


def add(
    run: Run, call: DriverCall, template: dict[str, Any], rows: list[Row], *, first: int, is_new: bool
) -> list[tuple[str, str]]:
    """Store the steps of a call that are not stored yet, start those that can start; return ``(id, status)`` of all.

    ``first``: how many steps the body called before.
    """
    known: dict[str, tuple[UUID, str]] = {}
    if not is_new:
        stored = StepRun.objects.filter(call=call, invocation_id__in=[row[0] for row in rows])
        known = {name: (id_, status) for name, id_, status in stored.values_list("invocation_id", "id", "status")}
    new = [row for row in rows if row[0] not in known]
    if new:
        known |= {
            step.invocation_id: (step.id, step.status)
            for step in _Batch(run, call, _planned(run, template), first).store(new)
        }
    return [(str(id_), str(status)) for id_, status in (known[row[0]] for row in rows)]


def _planned(run: Run, template: dict[str, Any]) -> PlannedStep:
    try:
        planned = PlannedStep.model_validate(template)
    except ValidationError as exc:
        raise ConfigError(f"The plan of a step cannot be read: {exc.error_count()} errors.") from exc
    options = planning.instance_options(InstanceSettings.load())
    planned = runnames.name_outputs(planning.with_instance_defaults(planned, options), run)
    if (override := run.parsed_overrides.steps.get(planned.invocation_id)) is not None:
        planned = planning.apply_override(planned, override)
    check_names(sorted(planned.options.secrets))
    components.check_options([(planned.invocation_id, planned.options)])
    model_actions.use_models(run, [planned.options])
    return planned


@dataclass(slots=True)
class _Batch:
    """New steps of one call: stored in a few statements, however many they are."""

    run: Run
    call: DriverCall
    planned: PlannedStep
    first: int
    plan: dict[str, Any] = field(init=False)
    made: list[StepRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan = self.planned.model_dump(mode="json")

    def store(self, rows: list[Row]) -> list[StepRun]:
        above = self._statuses({name for row in rows for name, _ in row[3]})
        self.made = [self._row(row) for row in rows]
        ready = [step for step, row in zip(self.made, rows, strict=True) if self._is_ready(row, above)]
        fast = self._queue_at_once(ready)
        StepRun.objects.bulk_create(self.made)
        StepEdge.objects.bulk_create(
            [
                StepEdge(upstream_id=above[name][0], downstream=step, any_end=any_end)
                for step, row in zip(self.made, rows, strict=True)
                for name, any_end in row[3]
                if name in above
            ]
        )
        attempts = [Attempt(step_run=step, number=1, rung_at=DbNow()) for step in fast]
        Attempt.objects.bulk_create(attempts)
        for attempt in attempts:
            ring_on_commit(attempt.id)
        self._settle({step.id for step in fast})
        return self.made

    def _statuses(self, names: set[str]) -> dict[str, tuple[UUID, str]]:
        if not names:
            return {}
        steps = StepRun.objects.filter(run=self.run, invocation_id__in=names)
        found = {name: (id_, status) for name, id_, status in steps.values_list("invocation_id", "id", "status")}
        if all(status in TERMINAL_STEP for _, status in found.values()):
            return found
        # One of them may end this moment: whoever comes second sees what the first has stored.
        locked = steps.select_for_update(of=("self",)).order_by("id").values_list("invocation_id", "id", "status")
        return {name: (id_, status) for name, id_, status in locked}

    def _row(self, row: Row) -> StepRun:
        invocation_id, given, parts, upstream, index = row
        plan = {
            **self.plan,
            "invocation_id": invocation_id,
            "inputs": {**self.plan["inputs"], **given},
            "cache_parts": {**self.plan["cache_parts"], **parts},
            "upstream": [name for name, _ in upstream],
        }
        concurrency = self.planned.options.settings.get("concurrency")
        return StepRun(
            run=self.run,
            kind=StepKind.STEP,
            invocation_id=invocation_id,
            name=self.planned.name,
            ordinal=self.first + 1 + (index or 0),
            status=StepStatus.PENDING,
            plan=plan,
            call=self.call,
            map_index=index,
            concurrency=concurrency,
        )

    def _is_ready(self, row: Row, above: dict[str, tuple[UUID, str]]) -> bool:
        return all(
            above[name][1] in (TERMINAL_STEP if any_end else DONE_STEP) for name, any_end in row[3] if name in above
        )

    def _queue_at_once(self, ready: list[StepRun]) -> list[StepRun]:
        """Mark as queued what needs no look at stored results: steps without caching whose inputs are all values."""
        options = self.planned.options
        is_cached = options.enable_cache and options.cache_policy.get("name") != "no_cache"
        may_keep = self.run.rerun_scope not in ("", RerunScope.WHOLE)
        if is_cached or may_keep or options.runtime == "inline" or not ready:
            return []
        room = len(ready)
        if (limit := self.made[0].concurrency) is not None:
            room = max(0, limits.n_free(self.run.id, self.planned.name, limit))
        plain = [step for step in ready if all(one["kind"] == "value" for one in step.plan["inputs"].values())]
        fast = plain[:room]
        for step in fast:
            step.status = StepStatus.QUEUED
            step.cache_key = cachekey.compute_key(step.plan["cache_parts"], {})
            step.cache_reason = "Ran because caching is off."
        return fast

    def _settle(self, settled: set[UUID]) -> None:
        waiting = [step.id for step in self.made if step.id not in settled]
        if not waiting:
            return
        start_new(OrmRunStore(), self.run.id, new=waiting)
        fresh = dict(StepRun.objects.filter(id__in=waiting).values_list("id", "status"))
        for step in self.made:
            step.status = fresh.get(step.id, step.status)


def start_pipeline(run: Run, call: DriverCall, spec: PipelineSpec, plan: Plan, *, parameters: dict[str, Any]) -> Run:
    """Store the run of a pipeline that the body of another one called, and start it."""
    code = run.snapshot
    snapshot = store_snapshot(
        spec,
        code_hash=code.code_hash,
        entry_file=code.entry_file,
        git_commit=code.git_commit,
        registered_by=code.registered_by,
    )
    made = Run(
        number=actions.next_run_number(),
        pipeline=snapshot.pipeline,
        snapshot=snapshot,
        status=RunStatus.QUEUED,
        parameters=parameters,
        overrides=Overrides(variant=plan.variant).model_dump(mode="json", exclude_none=True),
        trigger=Trigger.PIPELINE,
        actor=run.actor,
        actor_name=run.actor_name,
        script_node_id=run.script_node_id,
        caller=call,
        **_kept_parent(run, call, snapshot),
    )
    made.name = runnames.first_name(made)
    made.save(force_insert=True)
    by = f"run #{run.number}"
    events.record(made.id, "run.created", {"trigger": str(Trigger.PIPELINE), "by": by, "number": made.number})
    planning.store_plan(made, plan.model_dump(mode="json"))
    DriverCall.objects.filter(id=call.id).update(invocation_id=f"#{made.number}")
    return made


def _kept_parent(run: Run, call: DriverCall, snapshot: Snapshot) -> dict[str, Any]:
    """Return what lets a child of a rerun from what failed keep what the earlier child finished."""
    if run.rerun_scope != RerunScope.FROM_FAILED:
        return {}
    earlier = Run.objects.filter(caller__driver__run=run.parent_id, pipeline=snapshot.pipeline)
    parent = earlier.filter(caller__ordinal=call.ordinal).first()
    return {"parent": parent, "rerun_scope": RerunScope.FROM_FAILED} if parent else {}


def outputs(run_id: UUID, steps: list[UUID]) -> dict[str, dict[str, Any]]:
    """Return step id -> output name -> the stored version, of steps of one run."""
    links = StepArtifact.objects.filter(
        step_run__in=steps, step_run__run_id=run_id, direction=StepArtifact.Direction.OUTPUT
    ).select_related("artifact_version__artifact")
    found: dict[str, dict[str, Any]] = {str(one): {} for one in steps}
    for link in links:
        version = link.artifact_version
        found[str(link.step_run_id)][link.name] = {
            **inputs.stored(version),
            "version": version.version,
            "metadata": version.metadata,
            "tags": version.tags,
        }
    return found


def returned(run: Run) -> dict[str, Any]:
    """Return what a run's body returned, as a step process reads inputs.

    Raises:
        ArtifactError: A step it comes from has no such output.
    """
    binding = Binding.model_validate(run.returned)
    links = StepArtifact.objects.filter(
        step_run__run=run, direction=StepArtifact.Direction.OUTPUT, step_run__invocation_id__in=binding.upstream()
    ).select_related("artifact_version__artifact", "step_run")
    known = {(link.step_run.invocation_id, link.name): link.artifact_version for link in links}
    return inputs.resolve(binding, known)


def first_failure(run: Run) -> dict[str, Any]:
    """Return what made a run fail, for the body that called it."""
    failed = StepRun.objects.filter(run=run, status=StepStatus.FAILED)
    step = failed.filter(kind=StepKind.DRIVER).first() or failed.order_by("ended_at").first()
    if step is None:
        return {"type": "", "message": run.status_reason, "pickled": "", "step": ""}
    attempt = step.attempts.order_by("-number").first()
    return {
        "step": step.invocation_id,
        "type": attempt.error_type if attempt else "",
        "message": (attempt.error_message if attempt else "") or step.status_reason,
        "pickled": step.exception,
    }
