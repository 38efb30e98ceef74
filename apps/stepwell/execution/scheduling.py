"""Making schedules and starting their runs outside their times: by hand, for a past range, or from a script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from stepwell.accounts.models import User
from stepwell.core.ids import new_id
from stepwell.core.plan import Overrides, PipelineSpec
from stepwell.core.status import Trigger
from stepwell.core.timing import Timing
from stepwell.errors import StepwellError, UsageError
from stepwell.execution import actions, archives, clock, registration
from stepwell.execution.parameters import check_parameters
from stepwell.pipelines import schedules
from stepwell.pipelines.actions import store_snapshot
from stepwell.pipelines.models import Pipeline, Schedule, ScheduleFire, Snapshot
from stepwell.runs.models import Run

#: one backfill makes this many runs at most
MOST_BACKFILL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSchedule:
    """What a script gets back when it stores a schedule. ``next_times`` are the first five, in UTC."""

    id: UUID
    name: str
    pipeline: str
    is_new: bool
    is_paused: bool
    next_times: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """The times a backfill would fill in; ``done`` of the range have a run already."""

    times: list[datetime]
    done: int


def make_schedule(
    *,
    pipeline: Pipeline,
    name: str,
    timing: Timing,
    catchup: bool = False,
    parameters: dict[str, Any],
    overrides: Overrides | None = None,
    schedule: Schedule | None = None,
    by: User | None = None,
) -> Schedule:
    """Store a new schedule, or change ``schedule``, when the newest code can run with what it gives.

    Raises:
        Conflict: Another schedule has this name.
        UsageError: It would never fire, the code was not kept, or an option names a step that does not exist.
        ParameterErrors: A parameter does not fit.
        NotFound: A step names a secret that does not exist.
    """
    check_runnable(pipeline, parameters, overrides)
    return schedules.put_schedule(
        schedule=schedule,
        pipeline=pipeline,
        name=name,
        timing=timing,
        catchup=catchup,
        parameters=parameters,
        overrides=overrides,
        by=by,
    )


def check_runnable(pipeline: Pipeline, parameters: dict[str, Any], overrides: Overrides | None) -> None:
    """Refuse what a run of the newest code would refuse before it exists.

    Raises:
        UsageError: The code was not kept, or an option names a step that does not exist.
        ParameterErrors: A parameter does not fit.
        NotFound: A step names a secret that does not exist.
    """
    snapshot = pipeline.newest_runnable
    actions.check_snapshot(pipeline, snapshot)
    assert snapshot is not None
    check_parameters(snapshot.parameters_schema, parameters)
    plan = snapshot.compiled.plan
    known = {step.invocation_id for step in plan.steps} if plan else set()
    if overrides and known and (unknown := sorted(overrides.steps.keys() - known)):
        raise UsageError(
            f"{pipeline.name} has no step {', '.join(unknown)}.", hint=f"Its steps are: {', '.join(sorted(known))}."
        )


def problem_of(schedule: Schedule) -> str:
    """Return why a run could not start now; empty when it could."""
    try:
        check_runnable(schedule.pipeline, schedule.parameters, schedule.parsed_overrides)
    except (StepwellError, ValueError) as exc:
        return str(exc)
    return ""


def run_now(schedule: Schedule, *, by: User | None, idempotency_key: str | None = None) -> Run:
    """Start a run with what the schedule gives, beside its times.

    Raises:
        UsageError: The run is refused; see ``actions.start_run``.
    """
    with transaction.atomic():
        run = actions.start_run(
            pipeline=schedule.pipeline,
            parameters=schedule.parameters,
            overrides=schedule.parsed_overrides,
            trigger=Trigger.SCHEDULE,
            actor=by,
            # The schedule is in the key, so that it never meets that of another call.
            idempotency_key=f"schedule:{schedule.id.hex}:now:{idempotency_key or new_id()}",
        )
        hand = ScheduleFire.Cause.HAND
        if not ScheduleFire.objects.filter(schedule=schedule, run_id=run.id).exists():
            now = int(schedules.db_now().timestamp())
            ScheduleFire.objects.create(schedule=schedule, fire_at=now, cause=hand, run_id=run.id)
    return run


def preview_backfill(schedule: Schedule, *, first: date, last: date) -> Backfill:
    """Return the past times of a range of days in the schedule's zone, both included, that have no run yet.

    Raises:
        UsageError: The range is turned around, or holds more than ``MOST_BACKFILL`` times.
    """
    if last < first:
        raise UsageError("The range ends before it begins.", fields={"last": "It is before the first day."})
    if first.year < 1971 or last.year > 9000:
        raise UsageError("The range is out of reach.", hint="Give days from 1971 to 9000.")
    zone = ZoneInfo(schedule.zone)
    begin = datetime.combine(first, time(), zone).astimezone(UTC)
    end = datetime.combine(last, time(), zone) + timedelta(days=1)
    until = min(end.astimezone(UTC) - timedelta(microseconds=1), schedules.db_now())
    times = schedule.timing.fires_between(begin, until, limit=MOST_BACKFILL + 1)
    if len(times) > MOST_BACKFILL:
        raise UsageError(
            f"This range holds more than {MOST_BACKFILL} times.",
            hint="Choose fewer days.",
            fields={"last": "Too many."},
        )
    done = set(
        ScheduleFire.objects.filter(
            schedule=schedule,
            cause__in=ScheduleFire.ONCE,
            run_id__isnull=False,
            fire_at__in=[int(moment.timestamp()) for moment in times],
        ).values_list("fire_at", flat=True)
    )
    return Backfill(times=[moment for moment in times if int(moment.timestamp()) not in done], done=len(done))


def backfill(schedule: Schedule, *, first: date, last: date) -> list[Run]:
    """Start a run for every past time of a range that has none; doing it again starts nothing twice.

    Raises:
        UsageError: The range does not do, or the runs are refused, in which case none is started.
    """
    wanted = preview_backfill(schedule, first=first, last=last).times
    check_runnable(schedule.pipeline, schedule.parameters, schedule.parsed_overrides)
    runs = []
    for moment in wanted:
        # One transaction a run: hundreds in one would keep every runner from writing.
        with transaction.atomic():
            fire, made = ScheduleFire.objects.get_or_create(
                schedule=schedule,
                fire_at=int(moment.timestamp()),
                cause__in=ScheduleFire.ONCE,
                defaults={"cause": ScheduleFire.Cause.BACKFILL},
            )
            if made or fire.run_id is None:
                run = clock.start_for(fire, name=_name_for(schedule, moment))
                runs += [run] if run else []
    return runs


def register_schedule(
    *,
    spec: PipelineSpec,
    name: str,
    timing: Timing,
    catchup: bool,
    parameters: dict[str, Any],
    overrides: Overrides,
    entry_file: str,
    source_root: str,
) -> StoredSchedule:
    """Store a pipeline's code and a schedule of it, as a script does; one of this name and pipeline is changed.

    Raises:
        UsageError: The code cannot be kept, or the schedule does not do; see ``make_schedule``.
    """
    snapshot = _keep_code(spec, entry_file=Path(entry_file), root=Path(source_root))
    known = Schedule.objects.filter(name=name, pipeline=snapshot.pipeline).first()
    row = make_schedule(
        schedule=known,
        pipeline=snapshot.pipeline,
        name=name,
        timing=timing,
        catchup=catchup,
        parameters=parameters,
        overrides=overrides,
    )
    return StoredSchedule(
        id=row.id,
        name=row.name,
        pipeline=snapshot.pipeline.name,
        is_new=known is None,
        is_paused=row.is_paused,
        next_times=tuple(next_times(row)),
    )


def next_times(schedule: Schedule, *, count: int = 5, now: datetime | None = None) -> list[datetime]:
    """Return the next times of a schedule that is not paused, on the database's clock; ``now`` is what that says."""
    first = schedule.next_fire
    if first is None:
        return []
    # What is missed beside a time that is overdue is not made up for without catchup.
    after = first if schedule.catchup else max(first, now or schedules.db_now())
    return [first, *schedule.timing.next_fires(after, count=count - 1)]


def _keep_code(spec: PipelineSpec, *, entry_file: Path, root: Path) -> Snapshot:
    code_hash = archives.keep(root, entry_file=entry_file)
    entry_name = entry_file.resolve().relative_to(root.resolve()).as_posix()
    return store_snapshot(spec, code_hash=code_hash, entry_file=entry_name, git_commit=registration.git_commit(root))


def _name_for(schedule: Schedule, moment: datetime) -> str | None:
    """Return a name that tells the time a run stands for; None when another run has it."""
    local = moment.astimezone(ZoneInfo(schedule.zone))
    # Braces would stand for something to fill in.
    plain = schedule.name[:200].translate({ord("{"): "(", ord("}"): ")"})
    name = f"{plain} of {local:%Y-%m-%d %H:%M:%S %Z}"
    return None if Run.objects.filter(name=name).exists() else name
