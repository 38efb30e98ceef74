"""From a plan to the steps of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from stepwell.accounts.models import InstanceSettings
from stepwell.artifacts import model_actions
from stepwell.core import cachekey
from stepwell.core.plan import Plan, PlannedStep, Retry, StepOptions, StepOverride
from stepwell.core.status import StepKind, StepStatus
from stepwell.engine.advance import advance
from stepwell.errors import ConfigError
from stepwell.execution import runnames
from stepwell.execution.stores import OrmRunStore
from stepwell.runs import events
from stepwell.runs.models import Run, StepEdge, StepRun
from stepwell.stacks import actions as components
from stepwell.vault.actions import check_names


def store_plan(run: Run, content: dict[str, Any]) -> None:
    """Store the steps of a traced plan, with what the run overrides, and start those that can start.

    Raises:
        ConfigError: The plan or an override does not fit.
        NotFound: A step names a secret, a component or a model version that does not exist.
        Conflict: Another run has the name the plan asks for.
    """
    try:
        plan = Plan.model_validate(content)
    except ValidationError as exc:
        raise ConfigError(f"The plan of {run.pipeline.name} cannot be read: {exc.error_count()} errors.") from exc
    options = instance_options(InstanceSettings.load())
    named = [runnames.name_outputs(with_instance_defaults(step, options), run) for step in plan.steps]
    # What a driver calls is not known yet; its steps take their overrides when they are called.
    planned = apply_overrides(named, run) if plan.driver is None else named
    check_names(sorted({name for step in planned for name in step.options.secrets}))
    components.check_options((step.invocation_id, step.options) for step in planned)
    rows = _rows(run, plan, planned)
    StepRun.objects.bulk_create(rows.values())
    model_actions.use_models(run, [step.options for step in planned])
    StepEdge.objects.bulk_create(
        [
            StepEdge(upstream=rows[upstream], downstream=rows[step.invocation_id])
            for step in planned
            for upstream in step.upstream
        ]
    )
    Run.objects.filter(id=run.id).update(
        execution_mode=plan.execution_mode,
        warnings=plan.warnings,
        tags=sorted({*run.tags, *plan.tags}),
        name=runnames.planned_name(run, plan),
        is_dynamic=plan.driver is not None,
        returned=plan.returned.model_dump(mode="json") if plan.returned else None,
    )
    events.record(run.id, "run.planned", {"steps": [step.invocation_id for step in planned]})
    advance(OrmRunStore(), run.id)


def _rows(run: Run, plan: Plan, planned: list[PlannedStep]) -> dict[str, StepRun]:
    """Return the rows of a plan by invocation id, hidden ones included."""
    rows = {
        step.invocation_id: StepRun(
            run=run,
            kind=StepKind.STEP,
            invocation_id=step.invocation_id,
            name=step.name,
            ordinal=ordinal,
            status=StepStatus.PENDING,
            plan=step.model_dump(mode="json"),
            concurrency=step.options.settings.get("concurrency"),
        )
        for ordinal, step in enumerate(planned, start=1)
    }
    if plan.cleanup is not None:
        rows[plan.cleanup.invocation_id] = _hidden_row(run, plan.cleanup, kind=StepKind.CLEANUP, ordinal=len(rows) + 1)
    if plan.driver is not None:
        check_names(sorted(plan.driver.options.secrets))
        rows[plan.driver.invocation_id] = _hidden_row(run, plan.driver, kind=StepKind.DRIVER, ordinal=0)
    return rows


def _hidden_row(run: Run, step: PlannedStep, *, kind: StepKind, ordinal: int) -> StepRun:
    return StepRun(
        run=run,
        kind=kind,
        invocation_id=step.invocation_id,
        name=step.name,
        ordinal=ordinal,
        status=StepStatus.PENDING,
        plan=step.model_dump(mode="json"),
    )


def apply_overrides(steps: list[PlannedStep], run: Run) -> list[PlannedStep]:
    """Return the planned steps with the options the run changes.

    Raises:
        ConfigError: An override names a step the plan does not have.
    """
    overrides = run.parsed_overrides.steps
    before = _origins_before(run, overrides.keys())
    known = {step.invocation_id for step in steps}
    if unknown := sorted(overrides.keys() - known):
        raise ConfigError(
            f"Options were given for {', '.join(unknown)}, which this run does not have.",
            hint=f"Its steps are: {', '.join(sorted(known))}.",
        )
    return [apply_override(step, overrides.get(step.invocation_id), before.get(step.invocation_id)) for step in steps]


def _origins_before(run: Run, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the plans of the parent's steps with these names; nothing for a run that is no rerun."""
    if run.parent_id is None or not names:
        return {}
    steps = StepRun.objects.filter(run_id=run.parent_id, kind=StepKind.STEP, invocation_id__in=list(names))
    return dict(steps.values_list("invocation_id", "plan"))


def instance_options(row: InstanceSettings) -> dict[str, Any]:
    """Return the options that the settings give to steps whose code says nothing of them."""
    retry = Retry(max_retries=row.step_retries, delay=row.step_retry_wait_seconds if row.step_retries else 0)
    options: dict[str, Any] = {
        "retry": retry,
        "timeout": float(row.step_timeout_seconds) or None,
        "enable_cache": row.step_cache,
        "heartbeat_healthy_threshold": row.heartbeat_threshold_minutes,
    }
    usual = StepOptions()
    return {name: value for name, value in options.items() if value != getattr(usual, name)}


def with_instance_defaults(step: PlannedStep, options: Mapping[str, Any]) -> PlannedStep:
    """Return a planned step with what ``instance_options`` gives where its code says nothing."""
    silent = {name: value for name, value in options.items() if step.origins.get(name, "default") == "default"}
    if step.origins.get("cache_policy", "default") != "default":
        silent.pop("enable_cache", None)
    if not silent:
        return step
    origins = {**step.origins, **dict.fromkeys(silent, "settings")}
    return step.model_copy(update={"options": step.options.model_copy(update=silent), "origins": origins})


def apply_override(
    step: PlannedStep, override: StepOverride | None, before: dict[str, Any] | None = None
) -> PlannedStep:
    """Return a planned step with the options a run changes; ``before`` is the plan of the parent's step."""
    if override is None:
        return step
    changed = [name for name, value in override if value is not None]
    options = override.apply(step.options)
    parts = dict(step.cache_parts)
    if "environment" in changed:
        parts["environment"] = cachekey.hash_part(options.environment)
    return step.model_copy(
        update={
            "options": options,
            "cache_parts": parts,
            "origins": {**step.origins, **{name: _origin(name, options, before) for name in changed}},
        }
    )


def _origin(name: str, options: StepOptions, before: dict[str, Any] | None) -> str:
    """Return where an overridden option comes from: this rerun, or an earlier run that already had the value."""
    if before is None:
        return "run"
    has_value = StepOptions.model_validate(before.get("options", {}))
    earlier = before.get("origins", {}).get(name, "")
    return earlier if earlier in {"run", "rerun"} and getattr(has_value, name) == getattr(options, name) else "rerun"
