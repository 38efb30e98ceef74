"""In a step process: the step or pipeline object that a plan names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from stepwell.core.values import decode
from stepwell.errors import UsageError
from stepwell.sdk import hooks, stepkeeping, typenames, variants
from stepwell.sdk.pipelines import Pipeline
from stepwell.sdk.single import SingleStepPipeline
from stepwell.sdk.steps import BaseStep


def find_step(payload: Mapping[str, Any]) -> BaseStep:
    """Return the step that ``payload["step"]`` names: imported, or found by tracing ``payload["pipeline"]`` again.

    Raises:
        UsageError: The code has no such step (any more).
    """
    planned = payload["step"]
    source = planned["source"]
    if source.get("resolve") == "pickle":
        step = stepkeeping.load_kept(source["pickled"], artifact_root=payload["artifact_root"])
    elif source.get("resolve", "import") == "import":
        step = _import(source, kind=BaseStep, what=f"step {planned['invocation_id']}")
    else:
        step = _trace(planned["invocation_id"], payload)
    return _with_run_hooks(step, planned.get("options", {}).get("hooks", {}))


def find_pipeline(source: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline at a source (``core.plan.Source`` as a dict); a step there gives its one-step pipeline.

    Raises:
        UsageError: The code has no such pipeline (any more).
    """
    if source.get("resolve", "import") != "import":
        raise UsageError(
            f"The pipeline {source['qualname']} of {source['module']} cannot be found by importing the file.",
            hint="Define it at the top level of the file to run it from here.",
        )
    found = _import(source, kind=(Pipeline, BaseStep), what="pipeline")
    return SingleStepPipeline(found) if isinstance(found, BaseStep) else found


def find_run_pipeline(payload: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline of a payload as its run has it.

    Raises:
        UsageError: The code has no such pipeline (any more).
    """
    return variants.for_run(find_pipeline(payload["pipeline"]), payload.get("variant", {}))


def _trace(invocation_id: str, payload: Mapping[str, Any]) -> BaseStep:
    values = {name: decode(value) for name, value in payload.get("parameters", {}).items()}
    _, invocations = find_run_pipeline(payload).trace(values)
    if invocation_id not in invocations:
        raise UsageError(
            f"The pipeline no longer calls step {invocation_id} with these parameters.",
            hint="Its body depends on something that changed, such as the time or a file. Start a new run.",
        )
    return invocations[invocation_id].step


def _with_run_hooks(step: BaseStep, planned: Mapping[str, str | None]) -> BaseStep:
    """Return the step with the hooks that the run's script gave it outside of the code imported here."""
    missing = {
        name: text
        for name, text in planned.items()
        if name in hooks.STEP_HOOKS and text and text != hooks.describe(step._options.get(name)) and _exists(text)
    }
    if not missing:
        return step
    changed = copy.copy(step)
    changed._options = {**step._options, **missing}
    return changed


def _exists(dotted: str) -> bool:
    try:
        return callable(typenames.find_dotted(dotted))
    except LookupError:
        return False


def _import(source: Mapping[str, Any], *, kind: Any, what: str) -> Any:
    module, qualname = source["module"], source["qualname"]
    try:
        found = typenames.find(module, qualname)
    except LookupError as exc:
        raise UsageError(f"The {what} cannot be found: {exc}") from exc
    if not isinstance(found, kind):
        raise UsageError(f"{module}.{qualname} is no {what.split()[0]} any more.", hint="Start a new run.")
    return found
