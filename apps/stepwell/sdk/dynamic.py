"""What only the body of a dynamic pipeline may call, and how such a body is told from a static one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepwell.errors import UsageError
from stepwell.sdk import context, tracing

if TYPE_CHECKING:
    from stepwell.sdk.driver import Driver
    from stepwell.sdk.futures import MapResultsFuture, StepFuture
    from stepwell.sdk.pipelines import Pipeline
    from stepwell.sdk.steps import BaseStep


def submit(
    step: BaseStep,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    wanted_id: str | None,
    after: Any,
    start_after: Any,
) -> StepFuture:
    """Submit a step in the body that runs now; see ``BaseStep.submit``."""
    driver, owner = find_driver(f"{step.name}.submit"), f"Step {step.name}"
    ids = _futures().ids_in
    return driver.submit(
        step,
        args,
        kwargs,
        wanted_id=wanted_id,
        after=ids(after, owner=owner, what="after"),
        start_after=ids(start_after, owner=owner, what="start_after"),
    )


def map_over(
    step: BaseStep, args: tuple[Any, ...], kwargs: dict[str, Any], *, after: Any, start_after: Any, is_product: bool
) -> MapResultsFuture:
    """Map a step in the body that runs now; see ``BaseStep.map`` and ``product``."""
    driver = find_driver(f"{step.name}.{'product' if is_product else 'map'}")
    ids, owner = _futures().ids_in, f"Step {step.name}"
    return driver.map(
        step,
        args,
        kwargs,
        after=ids(after, owner=owner, what="after"),
        start_after=ids(start_after, owner=owner, what="start_after"),
        is_product=is_product,
    )


def embedded_values(pipeline: Pipeline, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a pipeline that a driver embeds: futures and artifacts go on as they are.

    Raises:
        UsageError: One is unknown, missing or does not fit.
    """
    held = {name: value for name, value in given.items() if _futures().is_pending(value)}
    inputs = pipeline.signature.inputs
    stand_ins = {name: inputs[name].default for name in held if name in inputs and not inputs[name].is_required}
    plain = {name: value for name, value in given.items() if name not in held}
    missing = [name for name in held if name in inputs and inputs[name].is_required]
    values = pipeline.complete_parameters({**plain, **stand_ins}) if not missing else _completed(pipeline, plain, held)
    return {**values, **held}


def _completed(pipeline: Pipeline, plain: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    signature = pipeline.signature
    signature.check_complete({**plain, **held})
    return {
        name: signature.coerce_input(name, plain[name], error=UsageError) if name in plain else item.default
        for name, item in signature.inputs.items()
        if name not in held
    }


def find_driver(what: str) -> Driver:
    """Return the driver whose body runs here; ``what`` needs it.

    Raises:
        UsageError: There is none: a static pipeline's body, a running step, or no pipeline at all.
    """
    trace = tracing.active_trace()
    if trace is not None and trace.is_driver:
        return trace  # type: ignore[return-value]
    if trace is not None:
        raise UsageError(
            f"Pipeline {trace.pipeline_name} calls {what}, but was taken for a static one.",
            hint="Write @pipeline(dynamic=True).",
        )
    if context.current() is not None:
        raise UsageError(
            f"{what} is called inside a running step.",
            hint="Call the step itself, or submit it in the pipeline's body.",
        )
    raise UsageError(f"{what} works in the body of a dynamic pipeline only.", hint="Call it there.")


def _futures() -> Any:
    # By name: futures stand above steps.
    return importlib.import_module("stepwell.sdk.futures")
