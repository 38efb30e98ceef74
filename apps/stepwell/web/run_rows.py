"""Runs as rows of a list: two queries however many rows, and no column that can be long."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count, QuerySet
from django.urls import reverse

from stepwell.core.status import RunStatus, StepKind
from stepwell.runs.models import Run, StepRun
from stepwell.web import present
from stepwell.web.usual import usual_seconds, versus

#: the order bars and sentences name statuses in
_ORDER = (
    "completed",
    "cached",
    "failed",
    "running",
    "retrying",
    "queued",
    "pending",
    "skipped",
    "cancelled",
)
_PHRASES = {"cached": "from cache", "retrying": "waiting to retry", "pending": "waiting"}
_LISTED = (
    "id",
    "number",
    "name",
    "status",
    "status_reason",
    "trigger",
    "actor_name",
    "tags",
    "created_at",
    "started_at",
    "ended_at",
    "took_seconds",
    "pipeline_id",
    "pipeline__name",
    "pipeline__slug",
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a run's bar: ``x`` and ``width`` in percent."""

    status: str
    count: int
    x: str
    width: str

    @property
    def phrase(self) -> str:
        return f"{self.count:,} {_PHRASES.get(self.status, self.status)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    id: str
    number: int
    url: str
    name: str
    pipeline: str
    pipeline_url: str
    state: present.State
    reason: str
    segments: list[Segment]
    by: str
    trigger: str
    tags: list[str]
    created: present.Moment | None
    took: present.Span | None
    #: how long it took against what is usual for its pipeline: "+29 %"; empty when that cannot be said
    versus_usual: str
    is_finished: bool

    @property
    def summary(self) -> str:
        """The steps in words, for people who do not see the bar."""
        return ", ".join(segment.phrase for segment in self.segments) or "no steps yet"


def listed(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Return the query with only the columns a list shows."""
    return runs.select_related("pipeline").only(*_LISTED)


def run_rows(runs: list[Run]) -> list[RunRow]:
    """Return the rows of ``runs``, which ``listed`` chose; one query for all their steps."""
    counts = step_counts([run.id for run in runs])
    usual = usual_seconds({run.pipeline_id for run in runs if run.status == RunStatus.COMPLETED})
    return [_row(run, counts[run.id], usual.get(run.pipeline_id)) for run in runs]


def step_counts(run_ids: list[uuid.UUID]) -> dict[uuid.UUID, dict[str, int]]:
    """Return how many steps of each run are in which status."""
    counts: dict[uuid.UUID, dict[str, int]] = defaultdict(dict)
    steps = StepRun.objects.filter(run_id__in=run_ids, kind=StepKind.STEP).order_by()
    for run_id, status, n in steps.values_list("run_id", "status").annotate(n=Count("id")):
        counts[run_id][status] = n
    return counts


def segments(counts: dict[str, int]) -> list[Segment]:
    """Return the parts of the bar of a run with so many steps per status."""
    total, x, parts = sum(counts.values()), 0.0, []
    for status in _ORDER:
        if n := counts.get(status, 0):
            width = 100 * n / total
            parts.append(Segment(status, n, f"{x:.2f}%", f"{width:.2f}%"))
            x += width
    return parts


def _row(run: Run, counts: dict[str, int], usual: float | None) -> RunRow:
    return RunRow(
        id=str(run.id),
        number=run.number,
        url=reverse("runs:detail", args=[run.number]),
        name=run.name,
        pipeline=run.pipeline.name,
        pipeline_url=reverse("pipelines:detail", args=[run.pipeline.slug]),
        state=present.state(run.status),
        reason=run.status_reason,
        segments=segments(counts),
        by=run.actor_name,
        trigger=run.trigger,
        tags=[str(tag) for tag in run.tags],
        created=present.moment(run.created_at),
        took=present.span(run.started_at, run.ended_at),
        versus_usual=versus(run.took_seconds, usual) if run.status == RunStatus.COMPLETED else "",
        is_finished=run.is_finished,
    )
