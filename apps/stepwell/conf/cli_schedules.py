"""Commands about schedules: list, show, pause, resume, run now, fill in, delete."""

from __future__ import annotations

import argparse
from datetime import date
from typing import TYPE_CHECKING

from stepwell.conf.cli_options import near
from stepwell.conf.cli_output import counted, moment, one_line, print_json, print_table
from stepwell.conf.cli_setup import load_database
from stepwell.errors import NotFound, UsageError

if TYPE_CHECKING:
    from stepwell.pipelines.models import Schedule


def list_schedules(options: argparse.Namespace) -> int:
    """Print the schedules of this instance by name."""
    load_database()
    from stepwell.execution.scheduling import next_times
    from stepwell.pipelines.models import Schedule

    rows = list(Schedule.objects.select_related("pipeline").order_by("name"))
    if options.json:
        from stepwell.api.schedules import schedule_detail

        print_json([schedule_detail(row, full=True).model_dump(mode="json") for row in rows])
        return 0
    lines = [
        (row.name, row.pipeline.name, _when(row), _state(row), moment(next(iter(next_times(row, count=1)), None)))
        for row in rows
    ]
    print_table(("SCHEDULE", "PIPELINE", "WHEN", "STATE", "NEXT"), lines, empty="No schedules.")
    return 0


def show_schedule(options: argparse.Namespace) -> int:
    """Print a schedule and its next five times."""
    row = _find(options.ref)
    from stepwell.api.schedules import schedule_detail

    detail = schedule_detail(row, full=True)
    if options.json:
        print_json(detail.model_dump(mode="json"))
        return 0
    print(f"Schedule {row.name} of {row.pipeline.name}: {_when(row)}, {_state(row)}")
    print(f"id {row.id}, last time {moment(detail.last_time)}, catch-up {'on' if row.catchup else 'off'}")
    if row.problem:
        print(f"problem: {one_line(row.problem)}")
    for name, value in row.parameters.items():
        print(f"  {name} = {value!r}")
    print("Next times:" if detail.next_times else "It has no next time.")
    for at in detail.next_times:
        print(f"  {moment(at)}")
    return 0


def pause_schedule(options: argparse.Namespace) -> int:
    """Let nothing of a schedule fire until it is resumed."""
    row = _find(options.ref)
    from stepwell.pipelines import schedules

    if row.is_paused:
        print(f"{row.name} is paused already.")
        return 0
    schedules.pause(row)
    _record("schedule.paused", row)
    print(f"{row.name} is paused. Go on with: stepwell schedules resume {row.name}")
    return 0


def resume_schedule(options: argparse.Namespace) -> int:
    """Let a schedule fire again."""
    row = _find(options.ref)
    from stepwell.execution.scheduling import next_times
    from stepwell.pipelines import schedules

    if row.is_paused:
        schedules.resume(row)
        _record("schedule.resumed", row)
    print(f"{row.name} is active. Its next time: {moment(next(iter(next_times(row, count=1)), None))}")
    return 0


def run_schedule_now(options: argparse.Namespace) -> int:
    """Start a run of a schedule beside its times."""
    row = _find(options.ref)
    from stepwell.execution import scheduling

    run = scheduling.run_now(row, by=None)
    print(f"Run {run.number} was started. Follow it with: stepwell logs {run.number} -f")
    return 0


def delete_schedule(options: argparse.Namespace) -> int:
    """Delete a schedule; the runs it started stay."""
    row = _find(options.ref)
    from stepwell.pipelines import schedules

    _record("schedule.deleted", row)
    schedules.delete_schedule(row)
    print(f"{row.name} was deleted. The runs it started stay.")
    return 0


def backfill_schedule(options: argparse.Namespace) -> int:
    """Start a run for every past time of a range of days that has none."""
    first, last = _day("FIRST", options.first), _day("LAST", options.last or options.first)
    row = _find(options.ref)
    from stepwell.execution import scheduling

    wanted = scheduling.preview_backfill(row, first=first, last=last)
    already = f" {wanted.done} of the range have a run already." if wanted.done else ""
    if options.preview or not wanted.times:
        print(f"{counted(len(wanted.times), 'run')} would be started.{already}")
        for at in wanted.times:
            print(f"  {moment(at)}")
        return 0
    runs = scheduling.backfill(row, first=first, last=last)
    _record("schedule.backfilled", row, first=str(first), last=str(last), runs=len(runs))
    print(f"{counted(len(runs), 'run')} started: {', '.join(f'#{run.number}' for run in runs)}.{already}")
    return 0


def _find(ref: str) -> Schedule:
    load_database()
    from stepwell.pipelines import schedules
    from stepwell.pipelines.models import Schedule

    try:
        return schedules.find_schedule(ref)
    except NotFound as exc:
        raise NotFound(
            exc.message, hint=near(ref, Schedule.objects.order_by("name").values_list("name", flat=True))
        ) from None


def _when(row: Schedule) -> str:
    try:
        return row.timing.describe()
    except UsageError:
        # Stored by another version of the program; the schedule itself says what is wrong with it.
        return "-"


def _state(row: Schedule) -> str:
    if row.is_paused:
        return "paused"
    return "active" if row.next_fire_at is not None else "over"


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name} is “{text[:80]}”.", hint="Write a day, such as 2026-11-23.") from None


def _record(action: str, row: Schedule, **after: object) -> None:
    from stepwell.accounts import audit

    audit.record(
        actor=None,
        action=action,
        object_kind="schedule",
        object_id=row.id,
        object_name=row.name,
        after=after or None,
    )
