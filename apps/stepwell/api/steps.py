"""The steps of a run: their state, artifacts and logs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from stepwell.accounts.models import Role
from stepwell.api.answers import answers, only_query
from stepwell.api.auth import ApiRequest, needs
from stepwell.api.lookup import find_attempt, find_run, find_step
from stepwell.api.shapes import step_detail
from stepwell.core.wire import ArtifactList, LogPart, LogRange, StepDetail, StepList
from stepwell.execution import reading

router = Router(tags=["Steps"], auth=needs(Role.VIEWER))


@router.get("/{ref}/steps", response=answers(StepList, 404), summary="List a run's steps with their attempts")
def list_steps(request: ApiRequest, ref: Path[str]) -> StepList:
    rows = find_run(ref).steps.select_related("call").prefetch_related("attempts")
    return StepList(items=[step_detail(row, full=request.auth.sees_all) for row in rows])


@router.get("/{ref}/steps/{invocation_id}", response=answers(StepDetail, 404), summary="Get a step of a run")
def get_step(request: ApiRequest, ref: Path[str], invocation_id: Path[str]) -> StepDetail:
    return step_detail(find_step(find_run(ref), invocation_id), full=request.auth.sees_all)


@router.get(
    "/{ref}/steps/{invocation_id}/artifacts",
    response=answers(ArtifactList, 404),
    summary="List a step's inputs and outputs",
)
def list_artifacts(request: ApiRequest, ref: Path[str], invocation_id: Path[str]) -> ArtifactList:
    return reading.step_artifacts(find_step(find_run(ref), invocation_id))


@router.get(
    "/{ref}/steps/{invocation_id}/attempts/{number}/log",
    response=answers(LogPart, 404),
    by_alias=True,
    summary="Read part of an attempt's log",
    description=(
        "Go on with “to” as the next offset; the log is complete when it is sealed and “to” is its size. "
        "With “Accept: text/plain” the bytes come as they are, and the numbers as headers."
    ),
)
def read_log(
    request: ApiRequest, ref: Path[str], invocation_id: Path[str], number: Path[int], span: Query[LogRange]
) -> LogPart | HttpResponse:
    only_query(request, LogRange)
    attempt = find_attempt(find_step(find_run(ref), invocation_id), number)
    part, raw = reading.log_part(attempt, span)
    return _as_text(part, raw) if _wants_text(request) else part


def _wants_text(request: HttpRequest) -> bool:
    return request.get_preferred_type(["application/json", "text/plain"]) == "text/plain"


def _as_text(part: LogPart, raw: bytes) -> HttpResponse:
    headers = {
        "Stepwell-Log-From": str(part.from_),
        "Stepwell-Log-To": str(part.to),
        "Stepwell-Log-Size": str(part.size),
        "Stepwell-Log-Sealed": "true" if part.sealed else "false",
    }
    return HttpResponse(raw, content_type="text/plain; charset=utf-8", headers=headers)
