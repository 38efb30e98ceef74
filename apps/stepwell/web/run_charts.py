"""The runs of a list as a picture: when each ran, by pipeline, or how long each took over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from stepwell.core.durations import format_duration
from stepwell.runs.models import Run
from stepwell.web import present

SHOWN = {"": "Table", "timeline": "Timeline", "scatter": "Scatter"}
#: runs of one picture: those the list begins with
MOST_RUNS = 300
_MOST_LANES = 40
_NARROWEST = 0.35
_TIMES = (12, 37, 62, 87)
_PARTS = (1.0, 0.75, 0.5, 0.25, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One run: a bar (``x`` and ``width`` in percent) or a dot (``x`` and ``y``)."""

    status: str
    x: str
    y: str = ""
    width: str = ""
    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    kind: str
    #: (pipeline, marks); one lane without a name in a scatter
    lanes: list[tuple[str, list[Mark]]]
    #: (x, words)
    times: list[tuple[str, str]]
    #: (y, words), from the top
    lengths: list[tuple[str, str]]
    n_runs: int
    n_hidden: int


def read_kind(query: QueryDict) -> str:
    """Return how an address wants the list shown: empty for the table."""
    wanted = query.get("show", "")
    return wanted if wanted in SHOWN else ""


def chart(kind: str, runs: list[Run], *, n_total: int) -> Chart:
    """Return the picture of ``runs``; without any it is empty."""
    now = timezone.now()
    begin = min((_begin(run) for run in runs), default=now)
    whole = max((now - begin).total_seconds() * 1.02, 1.0)
    longest = max((_took(run, now) for run in runs), default=1.0) or 1.0
    lanes: dict[str, list[Mark]] = {}
    for run in runs:
        lane = run.pipeline.name if kind == "timeline" else ""
        lanes.setdefault(lane, []).append(_mark(run, now, begin=begin, whole=whole, longest=longest))
    return Chart(
        kind=kind,
        lanes=sorted(lanes.items())[:_MOST_LANES],
        times=[(f"{x}%", _clock(begin + timedelta(seconds=whole * x / 100), whole)) for x in _TIMES],
        lengths=[(f"{_y(part):.1f}%", format_duration(longest * part)) for part in _PARTS],
        n_runs=len(runs),
        n_hidden=max(0, n_total - len(runs)),
    )


def _mark(run: Run, now: datetime, *, begin: datetime, whole: float, longest: float) -> Mark:
    start, took = _begin(run), _took(run, now)
    x = 100 * (start - begin).total_seconds() / whole
    words = present.state(run.status).word.lower()
    return Mark(
        status=run.status,
        x=f"{x:.2f}%",
        y=f"{_y(took / longest):.2f}%",
        width=f"{max(_NARROWEST, 100 * took / whole):.2f}%",
        title=f"{run.pipeline.name} #{run.number}: {words}, {format_duration(took)}",
        url=reverse("runs:detail", args=[run.number]),
    )


def _begin(run: Run) -> datetime:
    return run.started_at or run.created_at


def _took(run: Run, now: datetime) -> float:
    return max(0.0, ((run.ended_at or now) - _begin(run)).total_seconds())


def _y(part: float) -> float:
    # Room above the longest and below the shortest, so that no dot is cut.
    return 96 - 92 * part


def _clock(at: datetime, whole: float) -> str:
    local = timezone.localtime(at)
    return f"{local:%H:%M}" if whole < 86400 else f"{local:%a %H:%M}" if whole < 4 * 86400 else f"{local:%d %b}"
