"""Functions that ZenML's users call and that are one call of ours with other words."""

from __future__ import annotations

from typing import Any

from stepwell.sdk.metadata import log_metadata


def log_artifact_metadata(
    metadata: dict[str, Any], artifact_name: str | None = None, artifact_version: str | None = None
) -> None:
    """Record facts on an output of the running step, or on a stored artifact."""
    log_metadata(
        metadata, infer_artifact=artifact_name is None, artifact_name=artifact_name, artifact_version=artifact_version
    )


def log_model_metadata(
    metadata: dict[str, Any], model_name: str | None = None, model_version: str | int | None = None
) -> None:
    """Record facts on the model version the running step works on, or on a named one."""
    log_metadata(metadata, infer_model=model_name is None or None, model_name=model_name, model_version=model_version)


def log_step_metadata(
    metadata: dict[str, Any],
    step_name: str | None = None,
    pipeline_name_id_or_prefix: str | None = None,
    run_id: str | None = None,
) -> None:
    """Record facts on the running step, or on a step of a run."""
    log_metadata(metadata, step_name=step_name, run_id_name_or_prefix=run_id or pipeline_name_id_or_prefix)
