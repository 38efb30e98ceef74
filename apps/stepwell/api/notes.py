"""Metadata and tags on runs, steps and artifact versions; and a step by its id."""

from __future__ import annotations

from ninja import Path, Router

from stepwell.accounts.models import Role
from stepwell.api.answers import answers, record_act
from stepwell.api.auth import ApiRequest, needs
from stepwell.api.shapes import step_detail
from stepwell.core.wire import StepDetail
from stepwell.core.wire_artifacts import Done, MetadataToLog, TagsToChange
from stepwell.execution import lookup, notes

router = Router(tags=["Notes"], auth=needs(Role.VIEWER))


@router.get("/steps/{step_id}", response=answers(StepDetail, 404), summary="Get a step by its id")
def get_step(request: ApiRequest, step_id: Path[str]) -> StepDetail:
    return step_detail(lookup.step_with_id(step_id), full=request.auth.sees_all)


@router.post(
    "/metadata",
    response=answers(Done, 404),
    auth=needs(Role.OPERATOR),
    summary="Add metadata to a run, a step or an artifact version",
)
def log_metadata(request: ApiRequest, body: MetadataToLog) -> Done:
    row = notes.log_metadata(body)
    record_act(request, "metadata.logged", kind=notes.kind_of(row), row=row)
    return Done()


@router.post(
    "/tags",
    response=answers(Done, 404),
    auth=needs(Role.OPERATOR),
    summary="Put tags on a run or an artifact version, and take tags off",
)
def change_tags(request: ApiRequest, body: TagsToChange) -> Done:
    row = notes.change_tags(body)
    record_act(request, "tags.changed", kind=notes.kind_of(row), row=row)
    return Done()
