"""What is done to schedules: store, pause, resume, delete, and move to the next time by compare-and-set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from stepwell.accounts.models import User, as_uuid
from stepwell.core.plan import Overrides
from stepwell.core.timing import Timing
from stepwell.errors import Conflict, NotFound, UsageError
from stepwell.kit.models import DbNow
from stepwell.pipelines.models import Pipeline, Schedule, ScheduleFire

#: a schedule that starts in the past and catches up may start this many runs at once
MOST_CATCH_UP = 500
_RULE = ("cron", "interval_seconds", "once_at", "start_at", "end_at", "zone")
_EDITED = (*_RULE, "pipeline", "name", "catchup", "parameters", "overrides", "problem", "updated_at")


def db_now() -> datetime:
    """Return the time on the database's clock, which every runner shares."""
    row = Pipeline.objects.annotate(now=DbNow()).values_list("now", flat=True).first()
    return datetime.fromtimestamp(row, UTC) if row is not None else datetime.now(UTC)


def put_schedule(
    *,
    schedule: Schedule | None = None,
    pipeline: Pipeline,
    name: str,
    timing: Timing,
    catchup: bool = False,
    parameters: dict[str, Any],
    overrides: Overrides | None = None,
    by: User | None = None,
) -> Schedule:
    """Store a new schedule, or change ``schedule``. A change of its times counts from now on.

    Raises:
        Conflict: Another schedule has this name.
        UsageError: The name is empty, it would never fire, or it would start too many runs at once.
    """
    name = name.strip()
    if not name or len(name) > 255 or "\0" in name:
        raise UsageError("A schedule needs a name of 255 characters at most.", fields={"name": "Give it a name."})
    row = schedule or Schedule(created_by=by, created_by_name=by.get_username() if by else "")
    had = (_rule(row), row.catchup)
    with transaction.atomic():
        _check_free(name, row)
        row.pipeline, row.name, row.catchup = pipeline, name, catchup
        row.cron, row.interval_seconds, row.once_at = timing.cron, timing.interval, timing.once
        row.start_at, row.end_at, row.zone = timing.start, timing.end, timing.zone
        row.parameters = parameters
        row.overrides = (overrides or Overrides()).model_dump(mode="json", exclude_none=True)
        row.problem = ""
        changed = set(_EDITED)
        if schedule is None or had != (_rule(row), catchup):
            row.next_fire_at = _seconds(_first_fire(row, timing))
            changed.add("next_fire_at")
        # What the clock moves meanwhile is left alone.
        row.save(update_fields=None if schedule is None else changed)
    return row


def pause(schedule: Schedule) -> None:
    """Let nothing of it fire until it is resumed; pausing twice changes nothing."""
    Schedule.objects.filter(id=schedule.id).update(is_paused=True)
    schedule.is_paused = True


def resume(schedule: Schedule) -> None:
    """Let it fire again: from now on, or with ``catchup`` from where it was paused."""
    if not schedule.is_paused:
        return
    if not schedule.catchup:
        schedule.next_fire_at = _seconds(schedule.timing.next_fire(db_now()))
    Schedule.objects.filter(id=schedule.id, is_paused=True).update(is_paused=False, next_fire_at=schedule.next_fire_at)
    schedule.is_paused = False


def delete_schedule(schedule: Schedule) -> None:
    """Remove it with the list of its times; the runs it started stay."""
    Schedule.objects.filter(id=schedule.id).delete()


def due_schedules(*, limit: int) -> list[Schedule]:
    """Return schedules whose time has come, the longest due first, each with the database's time as ``now``."""
    due = Schedule.objects.filter(is_paused=False, next_fire_at__lte=DbNow())
    return list(due.annotate(now=DbNow()).select_related("pipeline").order_by("next_fire_at")[:limit])


def claim_fire(schedule: Schedule, *, now: datetime) -> ScheduleFire | None:
    """Take a due schedule's time and move it to the next; None when another runner took it, or it was paused.

    The caller has a transaction open, and starts the run in it. The fire's ``schedule`` is as stored now.
    """
    due = schedule.next_fire_at
    fresh = Schedule.objects.select_for_update(of=("self",)).select_related("pipeline").filter(id=schedule.id).first()
    if due is None or fresh is None:
        return None
    following = fresh.timing.next_fire(_after(fresh, due, now))
    taken = Schedule.objects.filter(id=fresh.id, next_fire_at=due, is_paused=False).update(
        next_fire_at=_seconds(following), last_fire_at=due
    )
    if not taken:
        return None
    fire, made = ScheduleFire.objects.get_or_create(schedule=fresh, fire_at=due, cause__in=ScheduleFire.ONCE)
    fire.schedule = fresh
    # A time that was filled in before it came is done.
    return fire if made or fire.run_id is None else None


def switch_off(schedule: Schedule, *, problem: str) -> None:
    """Let a schedule whose rule can no longer be read rest, and say why."""
    Schedule.objects.filter(id=schedule.id).update(next_fire_at=None, problem=problem)


def note_outcome(fire: ScheduleFire, *, run_id: UUID | None, problem: str = "") -> None:
    """Write down what came of a fire."""
    ScheduleFire.objects.filter(id=fire.id).update(run_id=run_id, problem=problem)
    Schedule.objects.filter(id=fire.schedule_id).update(problem=problem)
    fire.run_id, fire.problem = run_id, problem


def find_schedule(ref: str) -> Schedule:
    """Return the schedule with this name or id.

    Raises:
        NotFound: There is none.
    """
    schedules = Schedule.objects.select_related("pipeline")
    found = schedules.filter(name=ref).first() if "\0" not in ref else None
    if found is None and (number := as_uuid(ref)):
        found = schedules.filter(id=number).first()
    if found is None:
        shown = "".join(char for char in ref[:80] if char.isprintable())
        raise NotFound(f"There is no schedule “{shown}”.", hint="The page Schedules lists them.")
    return found


def _after(schedule: Schedule, due: int, now: datetime) -> datetime:
    """Return from when on the next time counts: what was missed is only made up for with ``catchup``."""
    fired = datetime.fromtimestamp(due, UTC)
    return fired if schedule.catchup else max(fired, now)


def _rule(row: Schedule) -> tuple[Any, ...]:
    """Return the rule as stored, also where it can no longer be read."""
    return tuple(getattr(row, name) for name in _RULE)


def _first_fire(row: Schedule, timing: Timing) -> datetime:
    now = db_now()
    begin = timing.start if row.catchup and timing.start and timing.start < now else None
    if begin and len(timing.fires_between(begin, now, limit=MOST_CATCH_UP + 1)) > MOST_CATCH_UP:
        raise UsageError(
            f"Catching up from {begin:%Y-%m-%d} would start more than {MOST_CATCH_UP} runs.",
            hint="Start later, or leave catchup out and fill in a range on the schedule's page.",
            fields={"start": f"More than {MOST_CATCH_UP} runs would start at once."},
        )
    following = timing.next_fire(_just_before(begin) if begin else now)
    if following is None:
        raise UsageError(
            f"The schedule {row.name} would never fire.",
            hint="Its only time, or its end, is in the past.",
            fields={"timing": "All its times are in the past."},
        )
    return following


def _just_before(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() - 1, UTC)


def _check_free(name: str, row: Schedule) -> None:
    other = Schedule.objects.filter(name=name).exclude(id=row.id).select_related("pipeline").first()
    if other is not None:
        raise Conflict(
            f"There is a schedule “{name}” already, of {other.pipeline.name}.",
            hint="Choose another name, or change that one.",
            fields={"name": "Another schedule has this name."},
        )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
