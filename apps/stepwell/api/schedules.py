"""Schedules: make, pause and delete them, start their runs, and read what came of their times."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpResponse
from ninja import Header, Path, Query, Router
from ninja.responses import Status

from stepwell.accounts import audit
from stepwell.accounts.models import Role
from stepwell.api.answers import answers, idempotency_key, only_query, record_run_act
from stepwell.api.auth import ApiRequest, needs
from stepwell.api.lookup import find_pipeline
from stepwell.api.shapes import HIDDEN, run_detail
from stepwell.core.wire import RunDetail
from stepwell.core.wire_schedules import (
    ChangeSchedule,
    FilledIn,
    FillIn,
    FireDetail,
    FireFilters,
    FirePage,
    MakeSchedule,
    ScheduleDetail,
    ScheduleFilters,
    SchedulePage,
)
from stepwell.execution import scheduling
from stepwell.pipelines import schedules
from stepwell.pipelines.models import Schedule, ScheduleFire

router = Router(tags=["Schedules"], auth=needs(Role.VIEWER))


@router.get("", response=answers(SchedulePage, 404), summary="List schedules by name")
def list_schedules(request: ApiRequest, filters: Query[ScheduleFilters]) -> SchedulePage:
    only_query(request, ScheduleFilters)
    rows = Schedule.objects.select_related("pipeline").order_by("name")
    if filters.pipeline is not None:
        rows = rows.filter(pipeline=find_pipeline(filters.pipeline))
    if filters.cursor is not None:
        rows = rows.filter(name__gt=filters.cursor)
    found = list(rows[: filters.limit + 1])
    page = found[: filters.limit]
    return SchedulePage(
        items=[schedule_detail(row, full=request.auth.sees_all) for row in page],
        next_cursor=page[-1].name if len(found) > filters.limit else None,
    )


@router.post(
    "",
    response=answers(ScheduleDetail, 404, 409, status=201),
    auth=needs(Role.OPERATOR),
    summary="Make a schedule",
)
def make_schedule(request: ApiRequest, response: HttpResponse, body: MakeSchedule) -> Status:
    row = scheduling.make_schedule(
        pipeline=find_pipeline(body.pipeline),
        name=body.name,
        timing=body.timing,
        catchup=body.catchup,
        parameters=body.parameters,
        overrides=body.overrides,
        by=request.auth.user,
    )
    _record(request, "schedule.created", row, when=row.timing.describe())
    response["Location"] = f"/api/v1/schedules/{row.id}"
    return Status(201, schedule_detail(row, full=True))


@router.get("/{ref}", response=answers(ScheduleDetail, 404), summary="Get a schedule by name or id")
def get_schedule(request: ApiRequest, ref: Path[str]) -> ScheduleDetail:
    return schedule_detail(schedules.find_schedule(ref), full=request.auth.sees_all)


@router.patch(
    "/{ref}",
    response=answers(ScheduleDetail, 404, 409),
    auth=needs(Role.OPERATOR),
    summary="Pause it, or let it go on",
)
def change_schedule(request: ApiRequest, ref: Path[str], body: ChangeSchedule) -> ScheduleDetail:
    row = schedules.find_schedule(ref)
    if body.paused != row.is_paused:
        (schedules.pause if body.paused else schedules.resume)(row)
        _record(request, "schedule.paused" if body.paused else "schedule.resumed", row)
    return schedule_detail(row, full=request.auth.sees_all)


@router.delete(
    "/{ref}",
    response={**answers(ScheduleDetail, 404, status=204), 204: None},
    auth=needs(Role.OPERATOR),
    summary="Delete it; the runs it started stay",
)
def delete_schedule(request: ApiRequest, ref: Path[str]) -> Status:
    row = schedules.find_schedule(ref)
    _record(request, "schedule.deleted", row)
    schedules.delete_schedule(row)
    return Status(204, None)


@router.get("/{ref}/fires", response=answers(FirePage, 404), summary="What came of its times, newest first")
def list_fires(request: ApiRequest, ref: Path[str], filters: Query[FireFilters]) -> FirePage:
    only_query(request, FireFilters)
    rows = ScheduleFire.objects.filter(schedule=schedules.find_schedule(ref)).order_by("-id")
    if filters.cursor is not None:
        rows = rows.filter(id__lt=filters.cursor)
    found = list(rows[: filters.limit + 1])
    page = found[: filters.limit]
    return FirePage(
        items=[FireDetail.model_validate(row) for row in page],
        next_cursor=page[-1].id if len(found) > filters.limit else None,
    )


@router.post(
    "/{ref}/runs",
    response=answers(RunDetail, 404, 409, status=201),
    auth=needs(Role.OPERATOR),
    summary="Start a run of it now",
    description="With the header Idempotency-Key, a repeated call gives the run of the first one.",
)
def run_now(
    request: ApiRequest,
    response: HttpResponse,
    ref: Path[str],
    key: str | None = Header(None, alias="Idempotency-Key", min_length=1, max_length=120),
) -> Status:
    row = schedules.find_schedule(ref)
    run = scheduling.run_now(row, by=request.auth.user, idempotency_key=idempotency_key(request, key))
    record_run_act(request, "run.started", run)
    response["Location"] = f"/api/v1/runs/{run.id}"
    return Status(201, run_detail(run, full=request.auth.sees_all))


@router.post(
    "/{ref}/backfills",
    response=answers(FilledIn, 404, 409, status=201),
    auth=needs(Role.OPERATOR),
    summary="Start a run for every past time of a range of days that has none",
)
def fill_in(request: ApiRequest, ref: Path[str], body: FillIn) -> Status:
    row = schedules.find_schedule(ref)
    wanted = scheduling.preview_backfill(row, first=body.first, last=body.last)
    runs = [] if body.preview else scheduling.backfill(row, first=body.first, last=body.last)
    if runs:
        _record(request, "schedule.backfilled", row, first=str(body.first), last=str(body.last), runs=len(runs))
    return Status(201, FilledIn(times=wanted.times, done=wanted.done, run_ids=[run.id for run in runs]))


def schedule_detail(row: Schedule, *, full: bool) -> ScheduleDetail:
    """Return a schedule; without ``full`` the values of environment variables are hidden."""
    overrides = row.parsed_overrides
    if not full:
        overrides.variant = {}
        for step in overrides.steps.values():
            step.environment = step.environment and dict.fromkeys(step.environment, HIDDEN)
    return ScheduleDetail(
        id=row.id,
        name=row.name,
        pipeline=row.pipeline.name,
        pipeline_slug=row.pipeline.slug,
        kind="cron" if row.cron else "interval" if row.interval_seconds else "once",
        cron=row.cron,
        interval_seconds=row.interval_seconds,
        once=row.once_at,
        start=row.start_at,
        end=row.end_at,
        timezone=row.zone,
        catchup=row.catchup,
        parameters=row.parameters,
        overrides=overrides.model_dump(mode="json", exclude_none=True),
        paused=row.is_paused,
        next_times=scheduling.next_times(row),
        last_time=None if row.last_fire_at is None else datetime.fromtimestamp(row.last_fire_at, UTC),
        problem=row.problem,
        created_by=row.created_by_name,
        created_at=row.created_at,
    )


def _record(request: ApiRequest, action: str, row: Schedule, **after: object) -> None:
    token = request.auth.token
    audit.record(
        actor=request.auth.user,
        action=action,
        object_kind="schedule",
        object_id=str(row.id),
        object_name=row.name,
        ip=request.META.get("REMOTE_ADDR"),
        after={**after, **({"token": token.name} if token else {})} or None,
    )
