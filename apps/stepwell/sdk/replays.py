"""Starting a run again from the pipeline that made it."""

from __future__ import annotations

from typing import Any

from stepwell.errors import NotFound, UsageError
from stepwell.sdk.client import Client
from stepwell.sdk.responses import PipelineRun


def replay(pipeline: str, run: Any = None, **changes: Any) -> PipelineRun:
    """Start a new run from ``run`` of the pipeline with this name, or from its newest, and return it.

    Raises:
        NotFound: There is no such run, or none of this pipeline yet.
        UsageError: The run is another pipeline's, or a change does not fit.
        Conflict: The scope is not ``whole`` and the run has not ended.
    """
    client = Client()
    if run is None:
        found = next(iter(client.list_runs(pipeline=pipeline, limit=1)), None)
        if found is None:
            raise NotFound(f"The pipeline {pipeline} has no run yet.", hint="Call it first.")
    else:
        found = run if isinstance(run, PipelineRun) else client.get_pipeline_run(run)
    if found.pipeline != pipeline:
        raise UsageError(
            f"Run #{found.number} is of the pipeline {found.pipeline}, not of {pipeline}.",
            hint=f"Use {found.pipeline}.replay(...), or run.rerun(...).",
        )
    made: PipelineRun = found.rerun(**changes)
    return made
