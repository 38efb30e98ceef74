"""A step called outside of any pipeline: a pipeline with this one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepwell.sdk import localrun, sourcecode, tracing
from stepwell.sdk.pipelines import Pipeline

if TYPE_CHECKING:
    from stepwell.sdk.steps import BaseStep


class SingleStepPipeline(Pipeline):
    """A pipeline named after its step, whose parameters are the step's inputs; without caching."""

    def __init__(self, step: BaseStep) -> None:
        def body(**values: Any) -> Any:
            return step(**values)

        body.__name__ = step.name
        body.__qualname__ = type(step).__qualname__
        body.__module__ = type(step).__module__
        body.__doc__ = step.docstring
        super().__init__(body, signature=step.signature, options={"enable_cache": False})
        self._step = step
        self._origin = step

    @property
    def step_parameters(self) -> dict[str, Any]:
        """The parameters the step was configured with."""
        return dict(self._step._options.get("parameters", {}))

    @property
    def source_code(self) -> str:
        """The source of the step."""
        return sourcecode.source_text(self._step.code)

    def run_body(self, values: Mapping[str, Any]) -> Any:
        args, kwargs = self.signature.arrange(values)
        return self._step.with_options(enable_cache=False)(*args, **kwargs)


def run_single(step: BaseStep, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run a step by itself and return its value, or a tuple of its values.

    Raises:
        StepInterfaceError: The arguments do not fit.
        Exception: What the step raised; ``exc.run`` is the run.
    """
    given = step.signature.bind(args, kwargs)
    if tracing.importing:
        return None
    run = localrun.run(SingleStepPipeline(step), {**step._options.get("parameters", {}), **given})
    values = localrun.load_outputs(run, step.name, [output.name for output in step.signature.outputs])
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)
