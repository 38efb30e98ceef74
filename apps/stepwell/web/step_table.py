"""The steps of a run as a table with a bar of time per step or group; two queries however many steps."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from stepwell.core.status import DONE_STEP, AttemptStatus, StepKind, StepStatus
from stepwell.runs.health import Health, health
from stepwell.runs.models import Attempt, Run, StepRun
from stepwell.web import present, step_groups
from stepwell.web.run_page import MAX_RETRIES, attempts_text, step_url

_STEP_COLUMNS = (
    "id",
    "run_id",
    "kind",
    "invocation_id",
    "name",
    "call_id",
    "status",
    "status_reason",
    "next_attempt_at",
    "started_at",
    "ended_at",
    "origin_step__invocation_id",
    "origin_step__run__number",
)
_ATTEMPT_COLUMNS = ("id", "step_run_id", "number", "status", "queued_at", "started_at", "ended_at", "beat_at")
#: the thinnest bar, in percent of the whole
_THINNEST = 0.7
_THRESHOLD = F("plan__options__heartbeat_healthy_threshold")
_DEFAULT_THRESHOLD = 30
#: rows of steps; a larger run is looked at in its graph, or group by group
_MOST_ROWS = 400
#: the order of the table by state
_BY_STATE = {
    status: place
    for place, status in enumerate(
        ("failed", "running", "retrying", "queued", "pending", "cancelled", "skipped", "completed", "cached")
    )
}


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
    #: "2 of 4"
    tries: str
    #: (text, address) of the run whose result it took
    origin: tuple[str, str] | None
    beat: present.Moment | None
    #: "late" or "unhealthy"; "" when there is nothing to say
    trouble: str
    attempt_id: str
    next_try: present.Moment | None
    took: present.Span | None
    bars: list[TimeBar]
    reason: str
    is_selected: bool = False
    is_inside: bool = False
    is_group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTable:
    rows: list[StepRow | step_groups.GroupRow]
    total: present.Span | None
    #: "order" or "state", and the addresses of both
    by: str
    by_urls: list[tuple[str, str, bool]]
    #: steps that are not listed, because they are too many
    n_hidden: int
    #: the invocation id whose panel is open; "" while there is no step
    selected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a person wants to see the table, as the address says."""

    #: the step whose panel is open
    step: str = ""
    by: str = "order"
    #: keys of the groups that are open
    open: frozenset[str] = frozenset()

    def query(self, **changes: str) -> str:
        """Return the address of this view with changes."""
        asked = {"step": self.step, "by": "" if self.by == "order" else self.by, "open": ",".join(sorted(self.open))}
        return present.query(**{**asked, **changes})


def read_view(query: Mapping[str, str]) -> View:
    """Return the view that an address asks for."""
    by = "state" if query.get("by") == "state" else "order"
    return View(step=query.get("step", ""), by=by, open=step_groups.read_open(query))


def step_table(run: Run, view: View) -> StepTable:
    """Return the table, with the panel open on the step of ``view``, else on what failed first, else on what runs."""
    query = StepRun.objects.filter(run=run).select_related("origin_step__run").only(*_STEP_COLUMNS)
    steps = [
        step
        for step in step_groups.with_groups(query).annotate(max_retries=MAX_RETRIES, threshold=_THRESHOLD)
        if step.kind != StepKind.PLAN or step.status != StepStatus.COMPLETED
    ]
    selected = _selected(steps, view.step)
    if view.by == "state":
        steps.sort(key=lambda step: _BY_STATE.get(step.status, len(_BY_STATE)))
    table = _Table(run, view, steps, selected)
    return StepTable(
        rows=table.rows,
        total=present.span(run.started_at, run.ended_at),
        by=view.by,
        by_urls=[
            ("in order", view.query(by=""), view.by == "order"),
            ("by state", view.query(by="state"), view.by == "state"),
        ],
        n_hidden=table.n_hidden,
        selected=selected.invocation_id if selected else "",
    )


class _Table:
    """The rows, a closed group being one; attempts are read for the steps that are listed."""

    def __init__(self, run: Run, view: View, steps: list[StepRun], selected: StepRun | None) -> None:
        self._run, self._view, self._selected = run, view, selected
        self._scale = _Scale(run)
        self.rows: list[StepRow | step_groups.GroupRow] = []
        self.n_hidden = 0
        shown = self._choose(step_groups.lots(steps))
        self._attempts = _attempts([step for _, members in shown for step in members])
        for lot, members in shown:
            if lot is not None:
                self.rows.append(self._group(lot))
            self.rows.extend(self._row(step, is_inside=lot is not None) for step in members)

    def _choose(self, entries: list[step_groups.Lot | StepRun]) -> list[tuple[step_groups.Lot | None, list[StepRun]]]:
        """Return each group with those of its steps that have a row, and each other step that has one."""
        chosen: list[tuple[step_groups.Lot | None, list[StepRun]]] = []
        room = _MOST_ROWS
        for entry in entries:
            lot = entry if isinstance(entry, step_groups.Lot) else None
            if isinstance(entry, step_groups.Lot):
                members = entry.members if entry.is_open(self._view.open) else []
            else:
                members = [entry]
            self.n_hidden += max(0, len(members) - room)
            members = members[:room]
            room -= len(members)
            if lot is not None or members:
                chosen.append((lot, members))
        return chosen

    def _group(self, lot: step_groups.Lot) -> step_groups.GroupRow:
        bars = []
        if lot.began:
            x, end = self._scale.percent(lot.began), self._scale.percent(lot.ended or self._scale.now)
            width = max(_THINNEST, end - x)
            bars = [TimeBar(lot.tally.status, f"{min(x, 100 - width):.2f}%", f"{width:.2f}%", f"{end:.2f}%")]
        is_hiding = self._selected in lot.members and not lot.is_open(self._view.open)
        return lot.row(self._view, now=self._scale.now, bars=bars, is_selected=is_hiding)

    def _row(self, step: StepRun, *, is_inside: bool) -> StepRow:
        return _row(
            self._run,
            step,
            self._attempts[step.id],
            self._scale,
            is_selected=step is self._selected,
            is_inside=is_inside,
            view=self._view,
        )


def _attempts(steps: list[StepRun]) -> dict[uuid.UUID, list[Attempt]]:
    found: dict[uuid.UUID, list[Attempt]] = defaultdict(list)
    rows = Attempt.objects.filter(step_run__in=[step.id for step in steps]).only(*_ATTEMPT_COLUMNS).order_by("number")
    for attempt in rows:
        found[attempt.step_run_id].append(attempt)
    return found


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
    # What the card of the failure tells of: the first to end, which a driver that fails of it does later.
    failed = [step for step in steps if step.status == StepStatus.FAILED]
    if failed:
        return min(failed, key=lambda step: step.ended_at or datetime.max.replace(tzinfo=UTC))
    steps_first = sorted(steps, key=lambda step: step.kind == StepKind.DRIVER)
    for status in (StepStatus.RUNNING, StepStatus.RETRYING, StepStatus.QUEUED):
        if found := next((step for step in steps_first if step.status == status), None):
            return found
    done = [step for step in steps if step.status in DONE_STEP]
    return done[-1] if done else next(iter(steps), None)


def _row(
    run: Run,
    step: StepRun,
    attempts: list[Attempt],
    scale: _Scale,
    *,
    is_selected: bool,
    is_inside: bool,
    view: View,
) -> StepRow:
    newest = attempts[-1] if attempts else None
    is_running = newest is not None and newest.status == AttemptStatus.RUNNING
    beat_at = newest.beat_at if newest and is_running else None
    threshold = float(step.threshold or _DEFAULT_THRESHOLD)
    condition = health(beat_at, threshold_minutes=threshold, now=scale.now)
    return StepRow(
        invocation_id=step.invocation_id,
        label=present.step_label(step.invocation_id),
        url=f"{reverse('runs:detail', args=[run.number])}{view.query(step=step.invocation_id)}",
        state=present.step_state(step, run),
        tries="" if present.is_parked(step, run) else _tries(step, newest),
        origin=_origin(step),
        beat=present.moment(beat_at, now=scale.now),
        trouble="" if condition == Health.HEALTHY else str(condition),
        attempt_id=str(newest.id) if newest and is_running else "",
        next_try=_next_try(step),
        took=None if step.status == StepStatus.CACHED else present.span(step.started_at, step.ended_at, now=scale.now),
        bars=[bar for attempt in attempts for bar in _bars(attempt, scale)],
        reason=step.status_reason if step.status in {StepStatus.SKIPPED, StepStatus.CANCELLED} else "",
        is_selected=is_selected,
        is_inside=is_inside,
    )


def _origin(step: StepRun) -> tuple[str, str] | None:
    if step.status != StepStatus.CACHED or step.origin_step is None:
        return None
    made_it = step.origin_step
    return f"from #{made_it.run.number}", step_url(made_it.run, made_it.invocation_id)


def _tries(step: StepRun, newest: Attempt | None) -> str:
    if newest is None or (newest.number == 1 and step.status != StepStatus.RETRYING):
        return ""
    return attempts_text(newest, step.max_retries).removeprefix("attempt ")


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
