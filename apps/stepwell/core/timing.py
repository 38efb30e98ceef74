"""When a schedule fires: cron expressions, intervals and single times, in a time zone.

All moments that go in and come out are aware; those that come out are in UTC and on a whole second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from stepwell.errors import ConfigError

LONGEST_CRON = 200
#: an interval is a whole number of seconds, from one to ten years
LONGEST_INTERVAL = 10 * 366 * 86400
_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_CRON_HINT = (
    "Write 5 fields (minute hour day month weekday) such as “30 2 * * 1-5”, 6 with seconds first, "
    f"or one of {', '.join(_ALIASES)}."
)


class TimingKind(StrEnum):
    CRON = "cron"
    INTERVAL = "interval"
    ONCE = "once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The rule of a schedule; exactly one of ``cron``, ``interval`` and ``once`` is set.

    Nothing fires before ``start`` or after ``end``. An interval counts from ``start`` in elapsed seconds, whatever
    clocks on walls do. Cron fields are wall-clock times in ``zone``. Around a change of clocks, an expression of 5
    fields with a fixed hour and minute fires once a day: a time that does not exist is moved to the first one that
    does, of a time that exists twice the first counts. Any other expression fires whenever the clock on the wall
    matches: twice in the hour that comes twice, not at all in the one that is left out.

    Raises:
        ConfigError: The parts do not fit together; names the part.
    """

    cron: str = ""
    #: seconds
    interval: int | None = None
    once: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    zone: str = "UTC"

    def __post_init__(self) -> None:
        _check_zone(self.zone)
        for name in ("once", "start", "end"):
            object.__setattr__(self, name, _whole(getattr(self, name), name))
        object.__setattr__(self, "cron", " ".join(self.cron.split()))
        _check_parts(self)
        if self.start and self.end and self.end < self.start:
            raise ConfigError("The schedule ends before it starts.", hint="Give an end_time after start_time.")
        if self.cron:
            check_cron(self.cron)

    @property
    def kind(self) -> TimingKind:
        if self.cron:
            return TimingKind.CRON
        return TimingKind.INTERVAL if self.interval else TimingKind.ONCE

    def next_fire(self, after: datetime) -> datetime | None:
        """Return the first time strictly after ``after``; None when there is none."""
        found = next(self._fires(after), None)
        return None if found is None or (self.end and found > self.end) else found

    def next_fires(self, after: datetime, *, count: int) -> list[datetime]:
        """Return up to ``count`` times after ``after``."""
        fires: list[datetime] = []
        while len(fires) < count and (found := self.next_fire(fires[-1] if fires else after)):
            fires.append(found)
        return fires

    def fires_between(self, first: datetime, last: datetime, *, limit: int) -> list[datetime]:
        """Return the times from ``first`` to ``last``, both included, ``limit`` at most, whatever start and end say.

        An interval's times reach back before its start.
        """
        fires: list[datetime] = []
        free = Timing(cron=self.cron, interval=self.interval, once=self.once, start=self._anchor, zone=self.zone)
        for found in free._fires(first - timedelta(microseconds=1), bounded=False):
            if found > last or len(fires) >= limit:
                break
            fires.append(found)
        return fires

    def describe(self) -> str:
        """Return the rule in words: ``30 2 * * *, Europe/Berlin``."""
        if self.cron:
            return f"{self.cron}, {self.zone}"
        if self.interval:
            return f"every {_in_words(self.interval)}"
        return "once"

    @property
    def _anchor(self) -> datetime | None:
        return self.start if self.interval else None

    def _fires(self, after: datetime, *, bounded: bool = True) -> Iterator[datetime]:
        after = after.astimezone(UTC)
        if bounded and self.start:
            after = max(after, self.start - timedelta(microseconds=1))
        if self.cron:
            yield from cron_fires(self.cron, after=after, zone=self.zone)
        elif self.interval and self.start:
            yield from _interval_fires(self.start, self.interval, after)
        elif self.once and self.once > after:
            yield self.once


def check_cron(expression: str) -> None:
    """Refuse an expression that cannot be read or never fires.

    Raises:
        ConfigError: Names the expression and what is wrong with it.
    """
    if next(cron_fires(expression, after=datetime(2000, 1, 1, tzinfo=UTC), zone="UTC"), None) is None:
        raise ConfigError(f"The cron expression “{expression}” never fires.", hint=_CRON_HINT)


def cron_fires(expression: str, *, after: datetime, zone: str) -> Iterator[datetime]:
    """Yield the times of a cron expression that are strictly after ``after``, in order and without end.

    Raises:
        ConfigError: The expression cannot be read.
    """
    after = after.astimezone(UTC)
    try:
        found = CronSim(_spelled_out(expression), after.astimezone(ZoneInfo(zone)))
    except (CronSimError, ValueError, AssertionError) as exc:
        reason = str(exc)
        detail = f": {reason[0].lower()}{reason[1:]}" if reason else ""
        raise ConfigError(f"The cron expression “{expression[:80]}” cannot be read{detail}.", hint=_CRON_HINT) from exc
    latest = after
    try:
        for moment in found:
            # Two times on the same wall clock compare by what it shows, so only UTC tells which is later.
            utc = moment.astimezone(UTC)
            if utc > latest:
                latest = utc
                yield utc
    except (OverflowError, ValueError):
        # The year 9999 ends every schedule.
        return


def as_moment(value: datetime, zone: str) -> datetime:
    """Return a time in UTC; one that names no zone is a time in ``zone``.

    Raises:
        ConfigError: There is no such zone, or the year is not from 1971 to 9000.
    """
    _check_zone(zone)
    if not 1971 <= value.year <= 9000:
        raise ConfigError(f"The year {value.year} is out of range.", hint="Give a time from 1971 to 9000.")
    return (value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _spelled_out(expression: str) -> str:
    text = " ".join(expression.split())
    if len(text) > LONGEST_CRON:
        raise ValueError(f"it is longer than {LONGEST_CRON} characters")
    if text.startswith("@"):
        if text.lower() not in _ALIASES:
            raise ValueError("there is no such name")
        return _ALIASES[text.lower()]
    if len(text.split()) not in (5, 6):
        raise ValueError(f"it has {len(text.split())} fields")
    return text


def _interval_fires(start: datetime, seconds: int, after: datetime) -> Iterator[datetime]:
    step = timedelta(seconds=seconds)
    count = math.floor((after - start) / step) + 1
    # The division is exact for whole seconds only; a hair beside a multiple must not give the same time twice.
    while start + count * step <= after:
        count += 1
    try:
        while True:
            yield start + count * step
            count += 1
    except OverflowError:
        return


def _check_parts(timing: Timing) -> None:
    given = [name for name in ("cron", "interval", "once") if getattr(timing, name) not in ("", None)]
    if len(given) != 1:
        what = "nothing says when it fires" if not given else f"{' and '.join(given)} are both given"
        raise ConfigError(
            f"The schedule is not clear: {what}.",
            hint="Give cron_expression, or start_time with interval_second, or run_once_start_time.",
        )
    interval = timing.interval
    if interval is None:
        return
    if isinstance(interval, bool) or not isinstance(interval, int) or not 1 <= interval <= LONGEST_INTERVAL:
        raise ConfigError(
            f"The interval of the schedule is {interval!r}.", hint="Give a whole number of seconds, 1 or more."
        )
    if timing.start is None:
        raise ConfigError("An interval needs a time to count from.", hint="Give start_time with interval_second.")


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError, TypeError):
        raise ConfigError(
            f"“{str(zone)[:64]}” is not a time zone.", hint="Write a name such as Europe/Berlin."
        ) from None


def _whole(moment: datetime | None, name: str) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ConfigError(f"The {name} time of the schedule names no time zone.", hint="Give a time with a zone.")
    return moment.astimezone(UTC).replace(microsecond=0)


def _in_words(seconds: int) -> str:
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)


def explain_cron(expression: str) -> str:
    """Return a cron expression in words: ``At 02:30 every day``.

    Raises:
        ConfigError: The expression cannot be read.
    """
    check_cron(expression)
    return str(CronSim(_spelled_out(expression), datetime(2000, 1, 1, tzinfo=UTC)).explain())
