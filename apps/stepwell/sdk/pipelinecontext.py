"""``get_pipeline_context()``: what a pipeline's body may ask about the pipeline while it is read."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from stepwell.sdk import tracing
from stepwell.sdk.models import Model
from stepwell.sdk.placeholders import LinkedArtifact


class BodyModel(Model):
    """The pipeline's model in its body: artifacts are looked up when the step that takes them starts."""

    def get_artifact(self, name: str, version: str | int | None = None) -> Any:
        """Return what stands for an artifact of the version the run works on; pass it to steps."""
        asked = self.given().get("version")
        return LinkedArtifact(
            model=self.name,
            version="" if asked is None else str(asked),
            name=name,
            artifact_version="" if version is None else str(version),
        )

    get_model_artifact = get_data_artifact = get_deployment_artifact = get_artifact

    def load_artifact(self, name: str, version: str | int | None = None) -> Any:
        return self.get_artifact(name, version)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineContext:
    """The pipeline whose body runs. ``extra`` is what its options say."""

    name: str
    model: BodyModel | None
    extra: dict[str, Any]
    enable_cache: bool | None


def get_pipeline_context() -> PipelineContext:
    """Return the context of the pipeline whose body runs.

    Raises:
        RuntimeError: No pipeline's body runs in this process.

    Example:
        >>> @pipeline(model=Model(name="churn", version="production"))
        ... def scoring() -> None:
        ...     score(get_pipeline_context().model.get_artifact("weights"))
    """
    trace = tracing.active_trace()
    if trace is None:
        raise RuntimeError("get_pipeline_context() works in a pipeline's body only.")
    options: dict[str, Any] = {}
    for layer in trace.layers:
        options.update(layer)
    given = options.get("model")
    fields = {one.name: getattr(given, one.name) for one in dataclasses.fields(Model)} if given else {}
    return PipelineContext(
        name=trace.pipeline_name,
        model=BodyModel(**fields) if given else None,
        extra=dict(options.get("extra") or {}),
        enable_cache=options.get("enable_cache"),
    )
