"""Schedules, their next times and what came of the earlier ones, as pages print them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from stepwell.core.status import Trigger
from stepwell.core.timing import Timing, explain_cron
from stepwell.errors import ConfigError
from stepwell.execution import scheduling
from stepwell.pipelines.models import Pipeline, Schedule, ScheduleFire
from stepwell.pipelines.schedules import db_now
from stepwell.runs.models import Run
from stepwell.web import option_forms, present

_ON = present.State("queued", "On", "timed_out")
_PAUSED = present.State("paused", "Paused", "paused")
_DONE = present.State("completed", "Done", "completed")
_STUCK = present.State("failed", "Cannot start", "failed")
_LATE = present.State("warning", "Late", "lost")
#: a time this many seconds ago that nobody took means that no runner is there
_LATE_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    id: UUID
    name: str
    url: str
    zone: str
    is_paused: bool
    pipeline: str
    pipeline_url: str
    state: present.State
    rule: str
    words: str
    next: present.Moment | None
    latest: present.State | None
    latest_url: str
    latest_at: present.Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRow:
    """A time to come: in the reader's zone, in UTC, and in the schedule's zone where that is another."""

    moment: present.Moment
    yours: str
    utc: str
    own: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRow:
    due: present.Moment
    cause: str
    run: present.State | None
    run_url: str
    number: int | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """A schedule with its next times; ``has_own`` when those of its own zone are another column."""

    row: ScheduleRow
    times: list[TimeRow]
    has_own: bool


def schedule_rows(*, limit: int, after: str = "", pipeline: Pipeline | None = None) -> tuple[list[ScheduleRow], str]:
    """Return up to ``limit`` schedules by name after ``after``, and the name to go on from ("" at the end)."""
    found, more = _page(limit=limit, after=after, pipeline=pipeline)
    return [_row(schedule, run) for schedule, run in found], more


def upcoming(pipeline: Pipeline, *, limit: int, n_times: int, after: str = "") -> tuple[list[Upcoming], str]:
    """Return a pipeline's schedules with the next ``n_times`` of each, and the name to go on from ("" at the end)."""
    found, more = _page(limit=limit, after=after, pipeline=pipeline)
    now = db_now() if found else timezone.now()
    return [_upcoming(schedule, run, n_times=n_times, now=now) for schedule, run in found], more


def state_of(schedule: Schedule, *, problem: str) -> present.State:
    """Return whether it is on, and whether it could start a run."""
    if schedule.is_paused:
        return _PAUSED
    if problem:
        return _STUCK
    if schedule.next_fire_at is None:
        return _DONE
    return _LATE if is_late(schedule) else _ON


def is_late(schedule: Schedule) -> bool:
    """Return whether a time came that no runner took."""
    due = schedule.next_fire
    return due is not None and (timezone.now() - due).total_seconds() > _LATE_SECONDS


def rule_of(timing: Timing, zone: tzinfo) -> tuple[str, str]:
    """Return a rule as it was written, and in words where that says more."""
    if timing.cron:
        return timing.cron, _explained(timing.cron)
    if timing.once:
        return "once", _in_zone(timing.once, zone)
    return timing.describe(), f"from {_in_zone(timing.start, zone)}" if timing.start else ""


def time_rows(times: list[datetime], *, zone: str) -> list[TimeRow]:
    """Return times to come, as the reader and the schedule see them."""
    here = timezone.get_current_timezone()
    return [
        TimeRow(
            moment=present.moment(one),
            yours=_in_zone(one, here),
            utc=_in_zone(one, UTC),
            own="" if zone in {"UTC", str(here)} else _in_zone(one, ZoneInfo(zone)),
        )
        for one in times
    ]


def fire_rows(schedule: Schedule, *, limit: int, before: UUID | None) -> tuple[list[FireRow], UUID | None]:
    """Return what came of a schedule's times, newest first, and the id to go on from (None at the end)."""
    query = ScheduleFire.objects.filter(schedule=schedule).order_by("-id")
    found = list((query.filter(id__lt=before) if before else query)[: limit + 1])
    more = found[limit - 1].id if len(found) > limit else None
    found = found[:limit]
    runs = Run.objects.only("id", "number", "status").in_bulk([fire.run_id for fire in found if fire.run_id])
    return [_fire(fire, runs.get(fire.run_id)) for fire in found], more


def option_rows(schedule: Schedule) -> list[tuple[str, str, str]]:
    """Return (step, option, value) for the options its runs have beside those of the code."""
    overrides = schedule.parsed_overrides
    variant = {"all steps": overrides.variant.get("options", {}), **overrides.variant.get("steps", {})}
    given = [(step, name, present.value(value)) for step, options in variant.items() for name, value in options.items()]
    return [*given, *option_forms.overrides_text(overrides)]


def schedule_of(run: Run) -> tuple[str, str] | None:
    """Return name and address of the schedule that started a run; None for other runs, and when it was deleted."""
    if run.trigger != Trigger.SCHEDULE:
        return None
    fire = ScheduleFire.objects.filter(run_id=run.id).select_related("schedule").first()
    return (fire.schedule.name, reverse("schedules:detail", args=[fire.schedule_id])) if fire else None


def _page(*, limit: int, after: str, pipeline: Pipeline | None) -> tuple[list[tuple[Schedule, Run | None]], str]:
    newest = ScheduleFire.objects.filter(schedule=OuterRef("pk"), run_id__isnull=False).order_by("-id")
    query = Schedule.objects.select_related("pipeline").annotate(run_id=Subquery(newest.values("run_id")[:1]))
    if pipeline:
        query = query.filter(pipeline=pipeline)
    found = list(query.filter(Q(name__gt=after) if after else Q()).order_by("name")[: limit + 1])
    more = found[limit - 1].name if len(found) > limit else ""
    found = found[:limit]
    runs = Run.objects.only("id", "number", "status", "created_at").in_bulk([row.run_id for row in found if row.run_id])
    return [(row, runs.get(row.run_id)) for row in found], more


def _upcoming(schedule: Schedule, run: Run | None, *, n_times: int, now: datetime) -> Upcoming:
    try:
        times = time_rows(scheduling.next_times(schedule, count=n_times, now=now), zone=schedule.zone)
    except ConfigError:
        # Its row says what cannot be read.
        times = []
    return Upcoming(row=_row(schedule, run), times=times, has_own=any(time.own for time in times))


def _row(schedule: Schedule, run: Run | None) -> ScheduleRow:
    try:
        rule, words = rule_of(schedule.timing, timezone.get_current_timezone())
    except ConfigError as exc:
        # Stored long ago, and no longer readable here: the row says so.
        rule, words = schedule.cron, str(exc)
    return ScheduleRow(
        id=schedule.id,
        name=schedule.name,
        url=reverse("schedules:detail", args=[schedule.id]),
        zone=schedule.zone,
        is_paused=schedule.is_paused,
        pipeline=schedule.pipeline.name,
        pipeline_url=reverse("pipelines:detail", args=[schedule.pipeline.slug]),
        state=state_of(schedule, problem=schedule.problem),
        rule=rule,
        words=words,
        next=present.moment(schedule.next_fire),
        latest=present.state(run.status) if run else None,
        latest_url=reverse("runs:detail", args=[run.number]) if run else "",
        latest_at=present.moment(run.created_at) if run else None,
    )


def _fire(fire: ScheduleFire, run: Run | None) -> FireRow:
    return FireRow(
        due=present.moment(fire.due),
        cause=ScheduleFire.Cause(fire.cause).label,
        run=present.state(run.status) if run else None,
        run_url=reverse("runs:detail", args=[run.number]) if run else "",
        number=run.number if run else None,
        problem=fire.problem or ("" if run else "Its run was removed."),
    )


def _explained(cron: str) -> str:
    try:
        return explain_cron(cron)
    except ConfigError:
        return ""


def _in_zone(moment: datetime, zone: tzinfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%a %Y-%m-%d %H:%M:%S} {local.tzname()}"
