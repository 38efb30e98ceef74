"""Timelines: one row per pipeline, its runs as bars, the times its schedules will start it, and a line for now."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from stepwell.pipelines.models import Schedule
from stepwell.runs.models import Run
from stepwell.web import present

#: hours shown, and of these the part that is still to come
SPANS = (6, 24, 72)
_AHEAD = 0.15
_NARROWEST = 0.35
_MOST_TICKS = 60
#: percent between the middles of two words on the scale
_APART = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """A run; ``x`` and ``width`` in percent of the line."""

    status: str
    x: str
    width: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the line: an hour, now, or a time a schedule will fire."""

    x: str
    text: str


@dataclass(frozen=True, slots=True)
class Lane:
    name: str
    url: str
    bars: list[Bar]
    ticks: list[Mark]


@dataclass(frozen=True, slots=True)
class Timeline:
    lanes: list[Lane]
    hours: list[Mark]
    now: str
    span: int

    @property
    def choices(self) -> list[tuple[int, bool]]:
        return [(span, span == self.span) for span in SPANS]


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of time a line shows."""

    begin: datetime
    seconds: float

    def percent(self, at: datetime) -> float:
        return 100 * (at - self.begin).total_seconds() / self.seconds

    def x(self, at: datetime) -> str:
        return f"{self.percent(at):.2f}%"


def timeline(pipelines: list[tuple[uuid.UUID, str, str]], runs: dict[uuid.UUID, list[Run]], *, span: int) -> Timeline:
    """Return the time line of pipelines (id, name, address) with their latest ``runs``; one query."""
    now = timezone.now()
    window = Window(now - timedelta(hours=span * (1 - _AHEAD)), span * 3600.0)
    ticks = _ticks([pk for pk, _, _ in pipelines], window)
    lanes = [Lane(name, url, _bars(runs.get(pk, []), window, now), ticks.get(pk, [])) for pk, name, url in pipelines]
    return Timeline(lanes, _hours(window, span), window.x(now), span)


def read_span(text: str) -> int:
    """Return the hours an address asks for, a day when it asks for none we show."""
    return int(text) if text in {str(span) for span in SPANS} else 24


def _bars(runs: list[Run], window: Window, now: datetime) -> list[Bar]:
    bars = []
    for run in runs:
        begin, end = run.started_at or run.created_at, run.ended_at or now
        if end < window.begin:
            continue
        left = max(0.0, window.percent(begin))
        width = max(_NARROWEST, window.percent(end) - left)
        span = present.span(run.started_at, run.ended_at)
        title = f"#{run.number}: {present.state(run.status).word.lower()}{f', {span.text}' if span else ''}"
        bars.append(Bar(run.status, f"{left:.2f}%", f"{width:.2f}%", title, reverse("runs:detail", args=[run.number])))
    return bars


def _ticks(pipeline_ids: list[uuid.UUID], window: Window) -> dict[uuid.UUID, list[Mark]]:
    """Return the times each pipeline's schedules will start it before the line ends."""
    end = window.begin + timedelta(seconds=window.seconds)
    schedules = Schedule.objects.filter(pipeline__in=pipeline_ids, is_paused=False, next_fire_at__isnull=False)
    found: dict[uuid.UUID, list[Mark]] = {}
    for schedule in schedules.filter(next_fire_at__lte=int(end.timestamp())):
        marks = found.setdefault(schedule.pipeline_id, [])
        first = datetime.fromtimestamp(schedule.next_fire_at, UTC)
        for at in [first, *schedule.timing.fires_between(first, end, limit=_MOST_TICKS)]:
            moment = present.moment(at)
            marks.append(Mark(window.x(at), f"{schedule.name}: {moment.exact if moment else ''}"))
    return found


def _hours(window: Window, span: int) -> list[Mark]:
    """Return the labelled hour lines, in the person's zone."""
    step = {6: 1, 24: 4, 72: 12}[span]
    local = timezone.localtime(window.begin).replace(minute=0, second=0, microsecond=0)
    at = local + timedelta(hours=step - local.hour % step)
    marks = []
    while (x := window.percent(at)) < 98:
        text = f"{at:%H:%M}" if at.hour or span == 6 else f"{at:%d %b}"
        # Not written over the word "now".
        marks.append(Mark(window.x(at), text if abs(x - 100 * (1 - _AHEAD)) > _APART else ""))
        at = timezone.localtime(at + timedelta(hours=step))
    return marks
