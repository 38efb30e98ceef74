"""Pipelines: list and look at them, start their runs."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Header, Path, Query, Router
from ninja.responses import Status

from stepwell.accounts.models import Role
from stepwell.api.answers import answers, idempotency_key, only_query, record_run_act
from stepwell.api.auth import ApiRequest, needs
from stepwell.api.lookup import find_pipeline
from stepwell.api.shapes import pipeline_detail, run_detail
from stepwell.core.status import Trigger
from stepwell.core.wire import PipelineDetail, PipelineFilters, PipelinePage, RunDetail, StartRun
from stepwell.errors import Conflict
from stepwell.execution import actions, reading

router = Router(tags=["Pipelines"], auth=needs(Role.VIEWER))


@router.get("", response=answers(PipelinePage), summary="List pipelines by name")
def list_pipelines(request: ApiRequest, filters: Query[PipelineFilters]) -> PipelinePage:
    only_query(request, PipelineFilters)
    return reading.pipeline_page(filters)


@router.get("/{ref}", response=answers(PipelineDetail, 404), summary="Get a pipeline by name, slug or id")
def get_pipeline(request: ApiRequest, ref: Path[str]) -> PipelineDetail:
    return pipeline_detail(find_pipeline(ref))


@router.post(
    "/{ref}/runs",
    response=answers(RunDetail, 404, 409, status=201),
    auth=needs(Role.OPERATOR),
    summary="Start a run",
    description="With the header Idempotency-Key, a repeated call gives the run of the first one.",
)
def start_run(
    request: ApiRequest,
    response: HttpResponse,
    ref: Path[str],
    body: StartRun,
    key: str | None = Header(None, alias="Idempotency-Key", min_length=1, max_length=120),
) -> Status:
    pipeline = find_pipeline(ref)
    run = actions.start_run(
        pipeline=pipeline,
        parameters=body.parameters,
        trigger=Trigger.API,
        actor=request.auth.user,
        overrides=body.overrides,
        name=body.name,
        tags=tuple(body.tags),
        idempotency_key=idempotency_key(request, key),
    )
    if run.pipeline_id != pipeline.id:
        raise Conflict("This Idempotency-Key was used for another call.", hint="Use a new key.")
    record_run_act(request, "run.started", run)
    response["Location"] = f"/api/v1/runs/{run.id}"
    return Status(201, run_detail(run, full=request.auth.sees_all))
