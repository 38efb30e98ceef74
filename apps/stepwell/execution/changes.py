"""What a rerun changes against the run it comes from, said the way people read it."""

from __future__ import annotations

from typing import Any

from stepwell.core import values
from stepwell.core.plan import Overrides, StepOptions
from stepwell.core.status import StepKind
from stepwell.pipelines.models import Snapshot
from stepwell.runs.models import Run, StepRun


def between(
    run: Run, parameters: dict[str, Any], overrides: Overrides, *, snapshot: Snapshot | None = None
) -> list[dict[str, Any]]:
    """Return ``{"what", "old", "new"}`` for the code, and each parameter and step option, that differs."""
    found: list[dict[str, Any]] = []
    if snapshot is not None and snapshot.id != run.snapshot_id:
        found.append({"what": "code", "old": run.snapshot.label, "new": snapshot.label})
    found.extend(
        {"what": name, "old": run.parameters.get(name), "new": value}
        for name, value in parameters.items()
        if run.parameters.get(name) != value
    )
    planned = {step.invocation_id: step.options for step in StepRun.objects.filter(run=run, kind=StepKind.STEP)}
    for invocation_id, override in overrides.steps.items():
        if invocation_id in planned:
            old = planned[invocation_id]
            found.extend(_options_between(invocation_id, old, override.apply(old)))
    return found


def changed_steps(run: Run, overrides: Overrides) -> set[str]:
    """Return the invocation ids whose options differ from what ``run`` ran with."""
    before = run.parsed_overrides.steps
    return {name for name, override in overrides.steps.items() if override != before.get(name)}


def _options_between(invocation_id: str, old: StepOptions, new: StepOptions) -> list[dict[str, Any]]:
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    return [
        {"what": f"{invocation_id}.{name}", "old": before.get(name), "new": after.get(name)}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _flat(options: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat


def parameters_taken(run: Run, steps: list[StepRun], changed: set[str]) -> dict[str, set[str]]:
    """Return invocation id -> the changed parameters it takes.

    A plan holds values, not where they came from: an input that equals the parameter's old value counts as taking it.
    A parameter no step seems to take may shape the pipeline itself, so it then counts for every step.
    """
    taken: dict[str, set[str]] = {step.invocation_id: set() for step in steps}
    for name in changed:
        old = values.encode(run.parameters.get(name))
        users = [step for step in steps if _takes_value(step, old)] or steps
        for step in users:
            taken[step.invocation_id].add(name)
    return taken


def _takes_value(step: StepRun, encoded: Any) -> bool:
    bindings = step.plan.get("inputs", {}).values()
    return any(
        binding.get("kind") == "value"
        and binding.get("value") == encoded
        and type(binding.get("value")) is type(encoded)
        for binding in bindings
    )
