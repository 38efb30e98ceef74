"""What the user's file offers: the pipelines in it, and the plan of one of them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from stepwell.sdk import errorinfo, resolve
from stepwell.sdk.pipelines import Pipeline


def find_pipelines(entry: ModuleType) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the specs of the pipelines that are attributes of a module, and for those that have none why."""
    specs: list[dict[str, Any]] = []
    skipped: list[str] = []
    seen: set[int] = set()
    for found in list(vars(entry).values()):
        if not isinstance(found, Pipeline) or id(found) in seen:
            continue
        seen.add(id(found))
        try:
            specs.append(found.spec().model_dump(mode="json"))
        except Exception as exc:  # tracing runs the user's code; the other pipelines are still registered
            error = errorinfo.describe(exc)
            place = f" ({error['where']})" if error["where"] else ""
            skipped.append(f"{found.name}: {error['type']}: {error['message']}{place}")
    return specs, skipped


def make_plan(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of the pipeline ``payload`` names, for its plain JSON parameters.

    Raises:
        UsageError: A parameter does not fit, or the body cannot be traced.
    """
    pipeline = resolve.find_run_pipeline(payload)
    if payload.get("run_name"):
        pipeline.run_name = payload["run_name"]
    plan, _ = pipeline.trace(payload.get("parameters", {}))
    return plan.model_dump(mode="json")
