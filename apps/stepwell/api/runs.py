"""Runs: list, look at, cancel and repeat them, and read their story."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Header, Path, Query, Router
from ninja.responses import Status

from stepwell.accounts.models import Role
from stepwell.api.answers import answers, idempotency_key, only_query, record_run_act
from stepwell.api.auth import ApiRequest, needs
from stepwell.api.lookup import find_run
from stepwell.api.shapes import run_detail
from stepwell.core.wire import Event, EventFilters, EventPage, Rerun, RunDetail, RunFilters, RunPage
from stepwell.errors import Conflict
from stepwell.execution import actions, reading

router = Router(tags=["Runs"], auth=needs(Role.VIEWER))


@router.get("", response=answers(RunPage, 404), summary="List runs, newest first")
def list_runs(request: ApiRequest, filters: Query[RunFilters]) -> RunPage:
    only_query(request, RunFilters)
    return reading.run_page(filters)


@router.get("/{ref}", response=answers(RunDetail, 404), summary="Get a run by number, id or unique beginning of its id")
def get_run(request: ApiRequest, ref: Path[str]) -> RunDetail:
    return run_detail(find_run(ref), full=request.auth.sees_all)


@router.get("/{ref}/events", response=answers(EventPage, 404), summary="Read a run's events in order")
def list_events(request: ApiRequest, ref: Path[str], filters: Query[EventFilters]) -> EventPage:
    only_query(request, EventFilters)
    rows = list(find_run(ref).events.filter(seq__gt=filters.after)[: filters.limit])
    return EventPage(
        items=[Event.model_validate(row) for row in rows],
        latest=rows[-1].seq if rows else filters.after,
    )


@router.post(
    "/{ref}/cancellation",
    response=answers(RunDetail, 404, 409, status=202),
    auth=needs(Role.OPERATOR),
    summary="Cancel a run",
)
def cancel_run(request: ApiRequest, ref: Path[str]) -> Status:
    run = actions.cancel_run(run=find_run(ref), by=request.auth.user.username)
    record_run_act(request, "run.cancelled", run)
    return Status(202, run_detail(run, full=request.auth.sees_all))


@router.post(
    "/{ref}/reruns",
    response=answers(RunDetail, 404, 409, status=201),
    auth=needs(Role.OPERATOR),
    summary="Run it again: whole, from where it failed, or from chosen steps",
    description="With the header Idempotency-Key, a repeated call gives the run of the first one.",
)
def rerun(
    request: ApiRequest,
    response: HttpResponse,
    ref: Path[str],
    body: Rerun,
    key: str | None = Header(None, alias="Idempotency-Key", min_length=1, max_length=120),
) -> Status:
    parent = find_run(ref)
    run = actions.rerun(
        run=parent,
        scope=body.scope,
        from_steps=body.from_steps,
        code=body.code,
        parameters=body.parameters,
        overrides=body.overrides,
        actor=request.auth.user,
        idempotency_key=idempotency_key(request, key),
    )
    if run.parent_id != parent.id:
        raise Conflict("This Idempotency-Key was used for another call.", hint="Use a new key.")
    record_run_act(request, "run.rerun", run)
    response["Location"] = f"/api/v1/runs/{run.id}"
    return Status(201, run_detail(run, full=request.auth.sees_all))
