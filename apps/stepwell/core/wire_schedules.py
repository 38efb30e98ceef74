"""What the API takes and gives of schedules. Times are RFC 3339 in UTC; one sent without a zone is the schedule's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from stepwell.core.plan import Overrides, StepOverride, Wire
from stepwell.core.timing import LONGEST_CRON, LONGEST_INTERVAL, Timing, as_moment
from stepwell.core.wire import Answer, Limit

ScheduleName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


class ScheduleFilters(Wire):
    #: name, slug or id of a pipeline
    pipeline: str | None = Field(default=None, max_length=255)
    #: ``next_cursor`` of the page before
    cursor: str | None = Field(default=None, max_length=255)
    limit: Limit = 50


class FireFilters(Wire):
    #: ``next_cursor`` of the page before
    cursor: UUID | None = None
    limit: Limit = 50


class MakeSchedule(Wire):
    """A schedule to store. Exactly one of cron, interval_seconds (with start) and once says when it fires."""

    #: name, slug or id of a pipeline
    pipeline: str = Field(max_length=255)
    name: ScheduleName
    #: 5 fields, 6 with seconds first, or a name such as @daily
    cron: str | None = Field(default=None, max_length=LONGEST_CRON)
    interval_seconds: int | None = Field(default=None, ge=1, le=LONGEST_INTERVAL)
    once: datetime | None = None
    #: nothing fires before
    start: datetime | None = None
    #: nothing fires after
    end: datetime | None = None
    timezone: str = Field(default="UTC", max_length=64)
    #: start a run for every time that was missed
    catchup: bool = False
    #: parameters that are left out take the default of the code at that time
    parameters: dict[str, Any] = Field(default={})
    #: options to change for its runs, by the step's invocation id
    steps: dict[str, StepOverride] = Field(default={}, max_length=10_000)

    @property
    def timing(self) -> Timing:
        """The rule.

        Raises:
            ConfigError: The parts do not fit together.
        """
        once, start, end = (value and as_moment(value, self.timezone) for value in (self.once, self.start, self.end))
        return Timing(
            cron=self.cron or "", interval=self.interval_seconds, once=once, start=start, end=end, zone=self.timezone
        )

    @property
    def overrides(self) -> Overrides:
        return Overrides(steps=self.steps)


class ChangeSchedule(Wire):
    """Pause a schedule, or let it go on."""

    paused: bool


class FillIn(Wire):
    """Days to fill in, in the schedule's time zone, both included."""

    first: date
    last: date
    #: say which times it would be, and start nothing
    preview: bool = False


class ScheduleDetail(Answer):
    id: UUID
    name: str
    #: the pipeline's name
    pipeline: str
    pipeline_slug: str
    kind: Literal["cron", "interval", "once"]
    cron: str
    interval_seconds: int | None
    once: datetime | None
    start: datetime | None
    end: datetime | None
    timezone: str
    catchup: bool
    parameters: dict[str, Any]
    overrides: dict[str, Any]
    paused: bool
    #: up to five
    next_times: list[datetime]
    #: the time it fired for last
    last_time: datetime | None
    #: why its latest time started no run; empty when it did
    problem: str
    created_by: str
    created_at: datetime


class SchedulePage(Answer):
    items: list[ScheduleDetail]
    next_cursor: str | None


class FireDetail(Answer):
    id: UUID
    #: the time it was due
    due: datetime
    cause: Literal["clock", "backfill", "hand"]
    #: None when it started no run
    run_id: UUID | None
    problem: str
    created_at: datetime


class FirePage(Answer):
    items: list[FireDetail]
    next_cursor: UUID | None


class FilledIn(Answer):
    #: the times that have no run yet, or got one now
    times: list[datetime]
    #: times of the range that had a run before
    done: int
    #: the runs it started; empty for a preview
    run_ids: list[UUID]
