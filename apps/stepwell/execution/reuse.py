"""Reuse of results: by cache key, and by a rerun that keeps what its parent finished."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from stepwell.artifacts.models import ArtifactVersion, StepArtifact
from stepwell.core import cachekey, values
from stepwell.core.plan import Binding
from stepwell.core.status import DONE_STEP, RerunScope, StepKind, StepStatus
from stepwell.errors import ArtifactError, UsageError
from stepwell.execution import changes, inputs
from stepwell.runs.models import StepRun

#: characters of a parameter's value that an explanation shows
_MOST_SHOWN = 60


def find_cached(step: StepRun) -> UUID | None:
    """Return the step whose outputs serve as this one's; set the step's key, and why there is one or none.

    The caller stores both with the step's next status.
    """
    if step.kind != StepKind.STEP:
        return None
    try:
        hashes = _counted(step)
    except ArtifactError:
        # The step fails with it when it starts; here it would be taken for a failure of the step above.
        return None
    key = cachekey.compute_key(step.plan.get("cache_parts", {}), hashes)
    step.cache_key = key
    origin, step.cache_reason = _find(step, key, hashes)
    return origin


def fields(step: StepRun) -> dict[str, str]:
    """Return what ``find_cached`` set, to be stored."""
    return {"cache_key": step.cache_key, "cache_reason": step.cache_reason}


def _counted(step: StepRun) -> dict[str, str]:
    """Return what of the step's inputs goes into its key, by its cache policy."""
    outputs = inputs.upstream_outputs(step)
    return cachekey.counted_inputs(
        step.options.cache_policy,
        content=inputs.content_hashes(step, outputs),
        ids=inputs.version_ids(step, outputs),
    )


def _find(step: StepRun, key: str, hashes: dict[str, str]) -> tuple[UUID | None, str]:
    if origin := _kept_from_parent(step, key):
        return origin.id, f"Kept from run #{origin.run.number}: it finished there and nothing above it changed."
    if step.run.rerun_scope == RerunScope.WHOLE and not _cache_asked_for(step):
        return None, "Ran because this rerun runs everything again."
    if (why := _why_forced(step)) and not _cache_asked_for(step):
        return None, why
    options = step.options
    if not options.enable_cache or options.cache_policy.get("name") == "no_cache":
        return None, "Ran because caching is off."
    same_key = StepRun.objects.filter(cache_key=key, status=StepStatus.COMPLETED)
    origin = same_key.select_related("run").order_by("-id").first()
    if origin is None:
        return None, _why_missed(step, hashes)
    if origin.cache_expired_at is not None:
        return None, f"Ran because {origin.cache_expired_by or 'someone'} expired the stored result."
    expires_after = options.cache_policy.get("expires_after")
    if expires_after is not None and origin.ended_at < timezone.now() - timedelta(seconds=expires_after):
        return None, "Ran because the stored result expired."
    if not inputs.data_is_present(_outputs_of(origin)):
        return None, f"Ran because the data that run #{origin.run.number} stored is gone or was changed."
    return origin.id, f"Taken from run #{origin.run.number}: same code, parameters and inputs."


def _cache_asked_for(step: StepRun) -> bool:
    return bool(step.run.overrides.get("steps", {}).get(step.invocation_id, {}).get("enable_cache"))


def _why_forced(step: StepRun) -> str:
    """Return why a rerun from chosen steps runs this one again; empty when it does not."""
    if step.run.rerun_scope != RerunScope.FROM_STEPS:
        return ""
    if step.invocation_id in step.run.rerun_steps:
        return "Ran because it was chosen to run again."
    above = step.upstream_edges.filter(upstream__status=StepStatus.COMPLETED).select_related("upstream").first()
    return f"Ran because {above.upstream.invocation_id} ran again." if above else ""


def _kept_from_parent(step: StepRun, key: str) -> StepRun | None:
    """Return the parent run's step that a rerun from what failed, or from chosen steps, keeps.

    The key covers code, parameters, environment and the contents of all inputs: equal keys mean that nothing the step
    depends on changed, also for a step with caching off.
    """
    run = step.run
    if run.rerun_scope not in {RerunScope.FROM_FAILED, RerunScope.FROM_STEPS} or run.parent_id is None:
        return None
    if _why_forced(step):
        return None
    if step.invocation_id in changes.changed_steps(run.parent, run.parsed_overrides):
        return None
    kept = (
        StepRun.objects.filter(run_id=run.parent_id, invocation_id=step.invocation_id, cache_key=key)
        .filter(status__in=DONE_STEP)
        .select_related("run", "origin_step__run")
        .first()
    )
    if (
        kept is None
        or (kept.origin_step or kept).cache_expired_at is not None
        or not inputs.data_is_present(_outputs_of(kept))
    ):
        return None
    return kept.origin_step or kept


def _outputs_of(step: StepRun) -> list[ArtifactVersion]:
    links = StepArtifact.objects.filter(step_run=step, direction=StepArtifact.Direction.OUTPUT)
    return [link.artifact_version for link in links.select_related("artifact_version")]


def _why_missed(step: StepRun, hashes: dict[str, str]) -> str:
    before = _nearest_earlier(step)
    if before is None:
        return "Ran because there is no stored result yet."
    if before.cache_key == step.cache_key:
        return f"Ran because the result that run #{before.run.number} had is not stored any more."
    old_hashes = _counted(before)
    old = {**before.plan.get("cache_parts", {}), **{f"input {name}": value for name, value in old_hashes.items()}}
    new = {**step.plan.get("cache_parts", {}), **{f"input {name}": value for name, value in hashes.items()}}
    return f"Ran because {cachekey.explain(old, new, told=_told_changes(before, step))}."


def _nearest_earlier(step: StepRun) -> StepRun | None:
    """Return the step in the latest run before this one where it has a result, made there or reused.

    One that is called by another id now is found by its name.
    """
    done = StepRun.objects.filter(run__pipeline_id=step.run.pipeline_id, run__number__lt=step.run.number)
    done = done.filter(status__in=DONE_STEP, kind=StepKind.STEP).select_related("run").order_by("-run__number")
    return done.filter(invocation_id=step.invocation_id).first() or done.filter(name=step.name).first()


def _told_changes(before: StepRun, step: StepRun) -> dict[str, str]:
    """Return what can be said of changed parts beyond their names: values of parameters, names of variables."""
    old, new = inputs.bindings(before), inputs.bindings(step)
    told = {
        f"parameter {name}": f"parameter {name} changed from {_shown(old[name])} to {_shown(new[name])}"
        for name in old.keys() & new.keys()
        if old[name].kind == new[name].kind == "value"
    }
    was, now = before.options.environment, step.options.environment
    names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    if names:
        told["environment"] = f"environment changed ({', '.join(names[:5])})"
    return told


def _shown(binding: Binding) -> str:
    try:
        text = repr(values.decode(binding.value))
    except UsageError:
        text = str(binding.value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
