"""Pages of lists and parts of logs, as the API and ``Client`` give them."""

from __future__ import annotations

from django.db.models import OuterRef, Subquery

from stepwell.artifacts.models import StepArtifact
from stepwell.core.wire import ArtifactList, LogPart, LogRange, PipelineFilters, PipelinePage, RunFilters, RunPage
from stepwell.engine.logfile import LogReader
from stepwell.execution.lookup import filter_runs
from stepwell.execution.shapes import artifact_detail, pipeline_summary, run_summary
from stepwell.pipelines.models import Pipeline, Snapshot
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, StepRun

#: bytes a UTF-8 character takes at most, less one: what a cut may leave of it
_CUT = 3


def run_page(filters: RunFilters) -> RunPage:
    """Return one page of runs, newest first.

    Raises:
        NotFound: There is no such pipeline.
    """
    found = list(filter_runs(filters)[: filters.limit + 1])
    page = found[: filters.limit]
    return RunPage(
        items=[run_summary(run) for run in page],
        next_cursor=page[-1].id if len(found) > filters.limit else None,
    )


def pipeline_page(filters: PipelineFilters) -> PipelinePage:
    """Return one page of pipelines by name."""
    newest = Snapshot.objects.filter(pipeline=OuterRef("id")).order_by("-number")
    rows = Pipeline.objects.order_by("name").annotate(
        code=Subquery(newest.values("number")[:1]), code_hash=Subquery(newest.values("code_hash")[:1])
    )
    if filters.cursor is not None:
        rows = rows.filter(name__gt=filters.cursor)
    found = list(rows[: filters.limit + 1])
    page = found[: filters.limit]
    return PipelinePage(
        items=[pipeline_summary(row, code=row.code, code_hash=row.code_hash) for row in page],
        next_cursor=page[-1].name if len(found) > filters.limit else None,
    )


def step_artifacts(step: StepRun) -> ArtifactList:
    """Return a step's inputs and outputs."""
    rows = StepArtifact.objects.filter(step_run=step).select_related("artifact_version__artifact").order_by("id")
    return ArtifactList(items=[artifact_detail(row) for row in rows])


def log_part(attempt: Attempt, span: LogRange, *, reader: LogReader | None = None) -> tuple[LogPart, bytes]:
    """Return part of a log, cut between characters, and the bytes it was made from."""
    reader = reader or LogReader(log_path(attempt.step_run.run_id, attempt.id))
    size = reader.n_bytes
    start = min(span.offset, size)
    found = reader.span(start, span.limit)
    raw, end = found.content, found.end
    # A character cut in two comes whole with the next part, unless that would bring nothing new.
    cut = 0 if found.is_gap or (end >= size and attempt.log_sealed) else _cut_bytes(raw)
    if cut and (cut < len(raw) or end >= size):
        raw, end = raw[:-cut], end - cut
    part = LogPart.model_validate(
        {
            "from": start,
            "to": end,
            "size": size,
            "text": raw.decode(errors="replace"),
            "sealed": attempt.log_sealed,
        }
    )
    return part, raw


def _cut_bytes(raw: bytes) -> int:
    """Return how many bytes at the end are the beginning of a character that is not complete."""
    for length in range(1, min(_CUT, len(raw)) + 1):
        byte = raw[-length]
        if byte & 0xC0 == 0x80:
            continue
        needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return length if needed > length else 0
    return 0
