"""Pipelines as rows of a list, with bars of their latest runs."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse

from stepwell.core.durations import format_duration
from stepwell.core.status import RunStatus
from stepwell.pipelines.models import Pipeline, Schedule, Snapshot
from stepwell.runs.models import Run
from stepwell.web import present

#: how many of the latest runs the bars show
BARS = 30
_BAR_STEP = 6
_BAR_HEIGHT = 22


@dataclass(frozen=True, slots=True)
class Bar:
    """One run of a spark line, in pixels."""

    status: str
    x: int
    y: int
    height: int
    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRow:
    id: uuid.UUID
    name: str
    url: str
    run_url: str
    summary: str
    code: int | None
    can_run: bool
    bars: list[Bar]
    bars_width: int
    latest: present.State | None
    latest_url: str
    latest_at: present.Moment | None
    next_at: present.Moment | None
    #: what fires next; of a pipeline whose schedules are paused all of them
    next_url: str
    next_name: str
    is_paused: bool
    #: who registered its newest code: in a word, and as the audit log writes it
    owner: str
    registered_by: str
    #: "usually 4 m 10 s" and "93 % succeed", of the runs the bars show; empty when that cannot be said
    usual: str
    success: str


def pipeline_rows(
    *, limit: int, after: str = "", pipelines: QuerySet[Pipeline] | None = None
) -> tuple[list[PipelineRow], str]:
    """Return up to ``limit`` pipelines by name after the name ``after``, and the name to go on from ("" at the end)."""
    found, more = _page(limit=limit, after=after, pipelines=pipelines)
    runs = latest_runs([pipeline.pk for pipeline in found])
    return [_row(pipeline, runs[pipeline.pk]) for pipeline in found], more


def pipeline_rows_with_runs(*, limit: int) -> tuple[list[PipelineRow], dict[uuid.UUID, list[Run]]]:
    """Return the first pipelines by name, and the latest runs of each."""
    found, _ = _page(limit=limit, after="", pipelines=None)
    runs = latest_runs([pipeline.pk for pipeline in found])
    return [_row(pipeline, runs[pipeline.pk]) for pipeline in found], runs


def _page(*, limit: int, after: str, pipelines: QuerySet[Pipeline] | None) -> tuple[list[Pipeline], str]:
    newest = Snapshot.objects.filter(pipeline=OuterRef("pk")).order_by("-number")
    timed = Schedule.objects.filter(pipeline=OuterRef("pk"), next_fire_at__isnull=False).order_by("next_fire_at")
    waiting = timed.filter(is_paused=False)
    query = (Pipeline.objects.all() if pipelines is None else pipelines).annotate(
        code=Subquery(newest.values("number")[:1]),
        code_hash=Subquery(newest.values("code_hash")[:1]),
        registered_by=Subquery(newest.values("registered_by")[:1]),
        next_id=Subquery(waiting.values("id")[:1]),
        next_name=Subquery(waiting.values("name")[:1]),
        next_fire_at=Subquery(waiting.values("next_fire_at")[:1]),
        has_paused=Exists(timed.filter(is_paused=True)),
    )
    if after:
        query = query.filter(name__gt=after)
    found = list(query.order_by("name")[: limit + 1])
    return found[:limit], found[limit - 1].name if len(found) > limit else ""


def latest_runs(pipeline_ids: list[uuid.UUID]) -> dict[uuid.UUID, list[Run]]:
    """Return the latest runs of each pipeline, newest first; two queries that read no more than they return."""
    by_pipeline: dict[uuid.UUID, list[Run]] = defaultdict(list)
    if not pipeline_ids:
        return by_pipeline
    newest = Run.objects.filter(pipeline=OuterRef("pk")).order_by("-id").values("id")
    oldest = Pipeline.objects.filter(pk__in=pipeline_ids).annotate(oldest=Subquery(newest[BARS - 1 : BARS]))
    wanted = Q()
    for pk, first in oldest.values_list("pk", "oldest"):
        wanted |= Q(pipeline_id=pk, id__gte=first) if first else Q(pipeline_id=pk)
    columns = ("id", "number", "status", "pipeline_id", "created_at", "started_at", "ended_at", "took_seconds")
    for run in Run.objects.filter(wanted).only(*columns).order_by("-id"):
        by_pipeline[run.pipeline_id].append(run)
    return by_pipeline


def tally(runs: list[Run]) -> tuple[str, str]:
    """Return how long runs usually take and how many complete, in words."""
    ended = [run for run in runs if run.is_finished]
    done = [run for run in ended if run.status == RunStatus.COMPLETED]
    seconds = sorted(span.seconds for run in done if (span := present.span(run.started_at, run.ended_at)))
    usual = f"usually {format_duration(seconds[len(seconds) // 2])}" if seconds else ""
    return usual, f"{100 * len(done) / len(ended):.0f} % succeed" if ended else ""


def bars(runs: list[Run]) -> list[Bar]:
    """Return one bar per run, oldest first; the longest run is the tallest."""
    spans = [present.span(run.started_at, run.ended_at) for run in runs]
    longest = max((span.seconds for span in spans if span), default=0) or 1
    result = []
    for index, (run, span) in enumerate(zip(reversed(runs), reversed(spans), strict=True)):
        height = max(4, round(_BAR_HEIGHT * (span.seconds / longest))) if span else 4
        took = f", {span.text}" if span else ""
        title = f"#{run.number}: {present.state(run.status).word.lower()}{took}"
        url = reverse("runs:detail", args=[run.number])
        result.append(Bar(run.status, index * _BAR_STEP, _BAR_HEIGHT - height, height, title, url))
    return result


def _row(pipeline: Pipeline, runs: list[Run]) -> PipelineRow:
    latest = runs[0] if runs else None
    usual, success = tally(runs)
    return PipelineRow(
        id=pipeline.pk,
        name=pipeline.name,
        url=reverse("pipelines:detail", args=[pipeline.slug]),
        run_url=reverse("pipelines:run", args=[pipeline.slug]),
        summary=pipeline.docstring.strip().splitlines()[0][:200] if pipeline.docstring.strip() else "",
        code=pipeline.code,
        can_run=bool(pipeline.code_hash),
        bars=bars(runs),
        bars_width=max(1, len(runs)) * _BAR_STEP,
        latest=present.state(latest.status) if latest else None,
        latest_url=reverse("runs:detail", args=[latest.number]) if latest else "",
        latest_at=present.moment(latest.created_at) if latest else None,
        next_at=present.moment(datetime.fromtimestamp(pipeline.next_fire_at, UTC)) if pipeline.next_id else None,
        next_url=_next_url(pipeline),
        next_name=pipeline.next_name or "",
        is_paused=pipeline.has_paused and not pipeline.next_id,
        owner=(pipeline.registered_by or "").partition(" (")[0],
        registered_by=pipeline.registered_by or "",
        usual=usual,
        success=success,
    )


def _next_url(pipeline: Pipeline) -> str:
    if pipeline.next_id:
        return reverse("schedules:detail", args=[pipeline.next_id])
    return reverse("pipelines:schedules", args=[pipeline.slug])
