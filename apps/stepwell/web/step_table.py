"""The steps of a run as a table with a bar of time per step; two queries however many steps."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import F
from django.utils import timezone

from stepwell.core.status import DONE_STEP, AttemptStatus, StepKind, StepStatus
from stepwell.runs.health import Health, health
from stepwell.runs.models import Attempt, Run, StepRun
from stepwell.web import present
from stepwell.web.run_page import MAX_RETRIES, attempts_text, step_url

_STEP_COLUMNS = (
    "id",
    "run_id",
    "kind",
    "invocation_id",
    "name",
    "status",
    "status_reason",
    "next_attempt_at",
    "started_at",
    "ended_at",
    "origin_step__run__number",
)
_ATTEMPT_COLUMNS = ("id", "step_run_id", "number", "status", "queued_at", "started_at", "ended_at", "beat_at")
#: the thinnest bar, in percent of the whole
_THINNEST = 0.7
_THRESHOLD = F("plan__options__heartbeat_healthy_threshold")
_DEFAULT_THRESHOLD = 30


@dataclass(frozen=True, slots=True)
class TimeBar:
    """One stretch of an attempt; ``x`` and ``width`` in percent of the run. No status: it waited."""

    status: str
    x: str
    width: str
    x2: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    invocation_id: str
    label: str
    url: str
    state: present.State
    #: "2 of 4 attempts", "from #1839"
    tags: list[str]
    beat: present.Moment | None
    #: "late" or "unhealthy"; "" when there is nothing to say
    trouble: str
    attempt_id: str
    next_try: present.Moment | None
    took: present.Span | None
    bars: list[TimeBar]
    reason: str
    is_selected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTable:
    rows: list[StepRow]
    total: present.Span | None
    #: the invocation id whose panel is open; "" while there is no step
    selected: str


def step_table(run: Run, wanted: str) -> StepTable:
    """Return the table, with the panel open on ``wanted``, else on the first failed, else on a running step."""
    steps = [
        step
        for step in StepRun.objects.filter(run=run)
        .select_related("origin_step__run")
        .only(*_STEP_COLUMNS)
        .annotate(max_retries=MAX_RETRIES, threshold=_THRESHOLD)
        if step.kind != StepKind.PLAN or step.status != StepStatus.COMPLETED
    ]
    attempts: dict[uuid.UUID, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(step_run__run=run).only(*_ATTEMPT_COLUMNS).order_by("number"):
        attempts[attempt.step_run_id].append(attempt)
    selected = _selected(steps, wanted)
    scale = _Scale(run)
    rows = [_row(run, step, attempts[step.id], scale, is_selected=step is selected) for step in steps]
    return StepTable(
        rows=rows,
        total=present.span(run.started_at, run.ended_at),
        selected=selected.invocation_id if selected else "",
    )


class _Scale:
    """From times to percent of the run."""

    def __init__(self, run: Run) -> None:
        self.now = timezone.now()
        self._start = run.started_at or run.created_at
        end = run.ended_at or self.now
        self._seconds = max((end - self._start).total_seconds(), 0.001)

    def percent(self, at: datetime) -> float:
        return min(100.0, max(0.0, 100 * (at - self._start).total_seconds() / self._seconds))


def _selected(steps: list[StepRun], wanted: str) -> StepRun | None:
    if found := next((step for step in steps if step.invocation_id == wanted), None):
        return found
    for status in (StepStatus.FAILED, StepStatus.RUNNING, StepStatus.RETRYING, StepStatus.QUEUED):
        if found := next((step for step in steps if step.status == status), None):
            return found
    done = [step for step in steps if step.status in DONE_STEP]
    return done[-1] if done else next(iter(steps), None)


def _row(run: Run, step: StepRun, attempts: list[Attempt], scale: _Scale, *, is_selected: bool) -> StepRow:
    newest = attempts[-1] if attempts else None
    is_running = newest is not None and newest.status == AttemptStatus.RUNNING
    beat_at = newest.beat_at if newest and is_running else None
    threshold = float(step.threshold or _DEFAULT_THRESHOLD)
    condition = health(beat_at, threshold_minutes=threshold, now=scale.now)
    return StepRow(
        invocation_id=step.invocation_id,
        label=present.step_label(step.invocation_id),
        url=step_url(run, step.invocation_id),
        state=present.state(step.status),
        tags=_tags(step, newest),
        beat=present.moment(beat_at, now=scale.now),
        trouble="" if condition == Health.HEALTHY else str(condition),
        attempt_id=str(newest.id) if newest and is_running else "",
        next_try=_next_try(step),
        took=None if step.status == StepStatus.CACHED else present.span(step.started_at, step.ended_at, now=scale.now),
        bars=[bar for attempt in attempts for bar in _bars(attempt, scale)],
        reason=step.status_reason if step.status in {StepStatus.SKIPPED, StepStatus.CANCELLED} else "",
        is_selected=is_selected,
    )


def _tags(step: StepRun, newest: Attempt | None) -> list[str]:
    if step.status == StepStatus.CACHED:
        return [f"from #{step.origin_step.run.number}"] if step.origin_step else ["reused"]
    if newest is None or (newest.number == 1 and step.status != StepStatus.RETRYING):
        return []
    return [attempts_text(newest, step.max_retries).removeprefix("attempt ")]


def _next_try(step: StepRun) -> present.Moment | None:
    if step.status != StepStatus.RETRYING or step.next_attempt_at is None:
        return None
    return present.moment(datetime.fromtimestamp(step.next_attempt_at, UTC))


def _bars(attempt: Attempt, scale: _Scale) -> list[TimeBar]:
    start = attempt.started_at or attempt.ended_at or scale.now
    bars = []
    begin, middle = scale.percent(attempt.queued_at), scale.percent(start)
    if middle - begin > _THINNEST:
        bars.append(TimeBar("", f"{begin:.2f}%", f"{middle - begin:.2f}%", f"{middle:.2f}%"))
    if attempt.started_at is not None:
        end = scale.percent(attempt.ended_at or scale.now)
        width = max(_THINNEST, end - middle)
        x = min(middle, 100 - width)
        bars.append(TimeBar(attempt.status, f"{x:.2f}%", f"{width:.2f}%", f"{end:.2f}%"))
    return bars
