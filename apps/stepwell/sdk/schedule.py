"""When a pipeline runs by itself: ``pipeline.with_options(schedule=Schedule(...))``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stepwell.core.timing import Timing, as_moment
from stepwell.errors import ConfigError

_HINT = "Give a datetime, or text such as 2026-12-01T02:00."


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When runs of a pipeline start: by a cron expression, every so often, or once.

    Args:
        cron_expression:
            5 fields (minute, hour, day, month, weekday), 6 with seconds first, or a name such as ``@daily``; read
            in ``timezone``.
        start_time:
            Nothing starts before. With ``interval_second`` the first run starts here. A time without a zone is
            in ``timezone``.
        interval_second:
            Seconds or a timedelta between runs, from ``start_time`` on.
        run_once_start_time:
            The one time it runs.
        end_time:
            Nothing starts after.
        catchup:
            Start a run for every time missed while no runner was there (or it was paused). Without it, at most one
            run makes up for all of them.
        timezone:
            A name such as ``Europe/Berlin``.
        name:
            Unique; ``<pipeline>-schedule`` unless given. Storing one with the same name changes it.

    Raises:
        ConfigError: The parts do not fit together; names the part.

    Example:
        training.with_options(schedule=Schedule(cron_expression="30 2 * * *", timezone="Europe/Berlin"))()
    """

    name: str | None = None
    cron_expression: str | None = None
    start_time: datetime | str | None = None
    end_time: datetime | str | None = None
    interval_second: timedelta | float | None = None
    catchup: bool = False
    run_once_start_time: datetime | str | None = None
    timezone: str = "UTC"
    timing: Timing = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.catchup, bool):
            raise ConfigError(f"Schedule.catchup is {self.catchup!r}.", hint="Give True or False.")
        if self.cron_expression is not None and not isinstance(self.cron_expression, str):
            raise ConfigError(f"Schedule.cron_expression is {self.cron_expression!r}.", hint="Give a text.")
        made = Timing(
            cron=self.cron_expression or "",
            interval=self._interval(),
            once=self._moment("run_once_start_time"),
            start=self._moment("start_time"),
            end=self._moment("end_time"),
            zone=self.timezone,
        )
        object.__setattr__(self, "timing", made)

    def _interval(self) -> int | None:
        given = self.interval_second
        seconds = given.total_seconds() if isinstance(given, timedelta) else given
        if seconds is None:
            return None
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds != seconds // 1:
            raise ConfigError(
                f"Schedule.interval_second is {given!r}.", hint="Give a whole number of seconds or a timedelta."
            )
        return int(seconds)

    def _moment(self, name: str) -> datetime | None:
        given = getattr(self, name)
        if given is None:
            return None
        try:
            value = datetime.fromisoformat(given) if isinstance(given, str) else given
        except ValueError:
            raise ConfigError(f"Schedule.{name} is “{given[:80]}”, which is not a time.", hint=_HINT) from None
        if not isinstance(value, datetime):
            raise ConfigError(f"Schedule.{name} is {given!r}.", hint=_HINT)
        return as_moment(value, self.timezone)
