"""Rows as the API and ``Client`` show them, with what a role may not see taken out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from stepwell.artifacts.models import StepArtifact
from stepwell.core.plan import PlannedStep
from stepwell.core.wire import (
    ArtifactDetail,
    AttemptDetail,
    PipelineDetail,
    PipelineStep,
    PipelineSummary,
    RunDetail,
    RunSummary,
    StepDetail,
)
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run, StepRun
from stepwell.stacks.links import tracked_run

#: stands for the value of an environment variable in what viewers get
HIDDEN = "********"


def pipeline_summary(pipeline: Pipeline, *, code: int | None, code_hash: str | None) -> PipelineSummary:
    return PipelineSummary(
        id=pipeline.id,
        name=pipeline.name,
        slug=pipeline.slug,
        docstring=pipeline.docstring,
        created_at=pipeline.created_at,
        code=code,
        can_run=bool(code_hash),
    )


def pipeline_detail(pipeline: Pipeline) -> PipelineDetail:
    snapshot = pipeline.newest_snapshot
    spec = snapshot.compiled if snapshot else None
    plan = spec.plan if spec else None
    return PipelineDetail(
        id=pipeline.id,
        name=pipeline.name,
        slug=pipeline.slug,
        docstring=pipeline.docstring,
        created_at=pipeline.created_at,
        code=snapshot.number if snapshot else None,
        can_run=snapshot is not None and snapshot.can_run,
        parameters_schema=snapshot.parameters_schema if snapshot else {},
        steps=[_pipeline_step(step) for step in plan.steps] if plan else [],
        dynamic=spec.dynamic if spec else False,
        source_code=spec.source_code if spec else "",
        git_commit=snapshot.git_commit if snapshot else "",
    )


def _pipeline_step(step: PlannedStep) -> PipelineStep:
    return PipelineStep(invocation_id=step.invocation_id, name=step.name, upstream=step.upstream)


def run_summary(run: Run) -> RunSummary:
    return RunSummary(**_run_fields(run))


def run_detail(run: Run, *, full: bool) -> RunDetail:
    """Return a run; without ``full`` the values of environment variables are hidden."""
    return RunDetail(
        **_run_fields(run),
        parameters=run.parameters,
        overrides=run.overrides if full else _hide_overrides(run.overrides),
        changes=run.changes if full else [_hide_change(change) for change in run.changes],
        warnings=run.warnings,
        metadata=run.metadata,
        execution_mode=run.execution_mode,
        dynamic=run.is_dynamic,
        called_by=run.caller.driver.run_id if run.caller else None,
        code=run.snapshot.number,
        cancel_requested_at=run.cancel_requested_at,
        cancel_requested_by=run.cancel_requested_by,
        latest_event=run.next_seq - 1,
    )


def _run_fields(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "number": run.number,
        "name": run.name,
        "pipeline": run.pipeline.name,
        "pipeline_slug": run.pipeline.slug,
        "status": run.status,
        "status_reason": run.status_reason,
        "trigger": run.trigger,
        "actor": run.actor_name,
        "tags": run.tags,
        "parent_id": run.parent_id,
        "rerun_scope": run.rerun_scope,
        "rerun_steps": run.rerun_steps,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def step_detail(step: StepRun, *, full: bool) -> StepDetail:
    """Return a step; without ``full`` the values of environment variables are hidden."""
    options = step.options
    if not full:
        options = options.model_copy(update={"environment": dict.fromkeys(options.environment, HIDDEN)})
    return StepDetail(
        id=step.id,
        run_id=step.run_id,
        invocation_id=step.invocation_id,
        name=step.name,
        kind=step.kind,
        status=step.status,
        status_reason=step.status_reason,
        upstream=step.plan.get("upstream", []),
        options=options,
        cache_reason=step.cache_reason,
        metadata=step.metadata,
        tracked_run=tracked_run(step.metadata),
        call=step.call.ordinal if step.call else None,
        map_index=step.map_index,
        next_attempt_at=None if step.next_attempt_at is None else datetime.fromtimestamp(step.next_attempt_at, tz=UTC),
        started_at=step.started_at,
        ended_at=step.ended_at,
        attempts=[AttemptDetail.model_validate(attempt) for attempt in step.attempts.all()],
    )


def artifact_detail(row: StepArtifact) -> ArtifactDetail:
    version = row.artifact_version
    return ArtifactDetail(
        direction=row.direction,
        name=row.name,
        id=version.id,
        artifact=version.artifact.name,
        version=version.version,
        type=version.type,
        size=version.size,
        sha256=version.sha256,
        metadata=version.metadata,
        tags=version.tags,
        created_at=version.created_at,
    )


def _hide_overrides(overrides: dict[str, Any]) -> dict[str, Any]:
    steps = {
        name: {**step, "environment": dict.fromkeys(step["environment"], HIDDEN)} if step.get("environment") else step
        for name, step in overrides.get("steps", {}).items()
    }
    return {**overrides, "steps": steps}


def _hide_change(change: Any) -> Any:
    if isinstance(change, dict) and "environment" in str(change.get("what", "")):
        return {**change, "old": HIDDEN, "new": HIDDEN}
    return change
