"""Where the time of a run went: every attempt as queued, running and waiting to be tried again."""

from __future__ import annotations

import statistics
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.core.durations import format_duration
from stepwell.core.status import RunStatus, StepKind, StepStatus
from stepwell.runs.models import Attempt, Run, StepEdge, StepRun
from stepwell.web import present, step_groups
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_page import log_url, step_url
from stepwell.web.run_tabs import run_context
from stepwell.web.timescale import TimeScale

_PAGE = 200
_SORTS = (("order", "In order"), ("start", "By start"), ("longest", "Longest first"))
#: runs that say what is usual, and the fewest of them
_USUAL_RUNS = 10
_FEWEST = 2
_THINNEST = 0.4
_TIMES = ("started_at", "ended_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the address asks for."""

    text: str = ""
    state: str = ""
    sort: str = "order"
    critical: bool = False
    usual: bool = False
    hide_idle: bool = False
    page: int = 1
    #: groups that are open, see ``step_groups``
    open: frozenset[str] = frozenset()

    def query(self, **changes: Any) -> str:
        """Return the address of this view with changes."""
        flags = {"critical": self.critical, "usual": self.usual, "idle": self.hide_idle}
        kept = {name: "1" for name, is_on in flags.items() if is_on}
        asked = {"q": self.text, "state": self.state, "sort": self.sort, **kept, "open": ",".join(sorted(self.open))}
        return present.query(**{**asked, **changes})


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch; ``kind``: ``queued``, ``run``, ``wait`` or ``usual``. ``x`` and ``width`` in percent."""

    kind: str
    status: str
    x: str
    width: str
    title: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    invocation_id: str
    label: str
    url: str
    state: present.State
    took: present.Span | None
    bars: list[Bar]
    is_critical: bool
    #: "+29 %" against the usual time
    versus: str
    is_inside: bool
    is_group: bool = False


@require_safe
@needs(Role.VIEWER)
def timeline(request: WebRequest, ref: str) -> HttpResponse:
    """Show when each step of a run waited and ran."""
    run = get_run_or_404(request, ref)
    wish = read_wish(request.GET)
    context = {
        **run_context(request, run, "timeline"),
        "wish": wish,
        "sorts": _SORTS,
        "full_path": request.get_full_path(),
        **_chart(run, wish),
    }
    return render_page(request, "runs/timeline.html", context, fragments={"run-timeline"})


def read_wish(query: Mapping[str, str]) -> Wish:
    page = query.get("page", "")
    return Wish(
        text=query.get("q", "")[:200],
        state=query.get("state", "") if query.get("state") in set(StepStatus) else "",
        sort=query.get("sort", "") if query.get("sort") in dict(_SORTS) else "order",
        critical="critical" in query,
        usual="usual" in query,
        hide_idle="idle" in query,
        page=max(1, int(page[:5])) if page.isascii() and page.isdigit() else 1,
        open=step_groups.read_open(query),
    )


def _chart(run: Run, wish: Wish) -> dict[str, Any]:
    now = run.ended_at or timezone.now()
    steps = _steps(run)
    attempts = _attempts(run)
    busy = [(one.started_at, one.ended_at or now) for tries in attempts.values() for one in tries if one.started_at]
    scale = TimeScale(run.started_at or run.created_at, now, busy=busy if wish.hide_idle else ())
    critical = _critical_path(run, steps) if wish.critical else []
    usual = _usual(run) if wish.usual else {}
    found = [step for step in steps if _fits(step, wish)]
    found = _sorted(found, attempts, wish.sort, now)
    entries = _entries(found, wish)
    n_pages = max(1, -(-len(entries) // _PAGE))
    page = min(wish.page, n_pages)
    on_path = {step.id for step in critical}
    shown = entries[(page - 1) * _PAGE : page * _PAGE]
    return {
        "rows": [
            _group_row(one, wish, scale, now)
            if isinstance(one, step_groups.Lot)
            else _row(
                run,
                one,
                attempts[one.id],
                scale,
                now,
                is_critical=one.id in on_path,
                is_inside=wish.sort == "order" and step_groups.group_of(one) is not None,
                usual=usual,
            )
            for one in shown
        ],
        "ticks": scale.ticks,
        "pauses": scale.pauses,
        "statuses": _choices(steps),
        "n_found": len(found),
        "n_steps": len(steps),
        "critical": _told(critical, now, scale.seconds),
        "has_usual": bool(usual),
        "pages": (page, n_pages),
        "earlier_url": wish.query(page=page - 1) if page > 1 else "",
        "later_url": wish.query(page=page + 1) if page < n_pages else "",
    }


def _steps(run: Run) -> list[StepRun]:
    columns = ("id", "run_id", "kind", "invocation_id", "name", "status", "ordinal", "call_id", *_TIMES)
    found = step_groups.with_groups(StepRun.objects.filter(run=run)).only(*columns).order_by("ordinal", "id")
    return [step for step in found if step.kind != StepKind.PLAN or step.status != StepStatus.COMPLETED]


def _attempts(run: Run) -> dict[uuid.UUID, list[Attempt]]:
    found: dict[uuid.UUID, list[Attempt]] = defaultdict(list)
    columns = ("id", "step_run_id", "number", "status", "queued_at", "started_at", "ended_at")
    for attempt in Attempt.objects.filter(step_run__run=run).only(*columns).order_by("number"):
        found[attempt.step_run_id].append(attempt)
    return found


def _fits(step: StepRun, wish: Wish) -> bool:
    return wish.text.lower() in step.invocation_id.lower() and wish.state in {"", step.status}


def _sorted(steps: list[StepRun], attempts: dict[uuid.UUID, list[Attempt]], sort: str, now: datetime) -> list[StepRun]:
    if sort == "start":
        return sorted(steps, key=lambda step: (step.started_at is None, step.started_at or now))
    if sort == "longest":
        return sorted(steps, key=lambda step: -_seconds(step, now))
    return steps


def _entries(steps: list[StepRun], wish: Wish) -> list[StepRun | step_groups.Lot]:
    """Return what has a row: in the order of the calls a group stands before its steps, or for them when closed."""
    if wish.sort != "order":
        return list(steps)
    entries: list[StepRun | step_groups.Lot] = []
    for entry in step_groups.lots(steps):
        entries.append(entry)
        if isinstance(entry, step_groups.Lot) and entry.is_open(wish.open):
            entries += entry.members
    return entries


def _group_row(lot: step_groups.Lot, wish: Wish, scale: TimeScale, now: datetime) -> step_groups.GroupRow:
    tally = lot.tally
    bars = [_bar("run", tally.status, scale, lot.began, lot.ended or now, tally.phrase)] if lot.began else []
    return lot.row(wish, now=now, bars=bars)


def _seconds(step: StepRun, now: datetime) -> float:
    return ((step.ended_at or now) - step.started_at).total_seconds() if step.started_at else -1.0


def _row(
    run: Run,
    step: StepRun,
    attempts: list[Attempt],
    scale: TimeScale,
    now: datetime,
    *,
    is_critical: bool,
    is_inside: bool,
    usual: dict[str, float],
) -> Row:
    bars = [
        bar
        for before, one in zip([None, *attempts], attempts, strict=False)
        for bar in _bars(run, step, before, one, scale, now)
    ]
    usual_seconds = usual.get(step.invocation_id)
    ran = [one for one in attempts if one.started_at]
    if usual_seconds and ran:
        begin = ran[-1].started_at
        ghost = _bar(
            "usual",
            "",
            scale,
            begin,
            begin + timedelta(seconds=usual_seconds),
            f"usually {format_duration(usual_seconds)}",
        )
        bars.insert(0, ghost)
    return Row(
        invocation_id=step.invocation_id,
        label=present.step_label(step.invocation_id),
        url=step_url(run, step.invocation_id),
        state=present.state(step.status),
        took=None if step.status == StepStatus.CACHED else present.span(step.started_at, step.ended_at),
        bars=bars,
        is_critical=is_critical,
        versus=_versus(ran[-1] if ran else None, usual_seconds),
        is_inside=is_inside,
    )


def _bars(
    run: Run, step: StepRun, before: Attempt | None, attempt: Attempt, scale: TimeScale, now: datetime
) -> list[Bar]:
    """Return the wait for a retry, the time in the queue and the run of one attempt."""
    bars = []
    begin = attempt.started_at or attempt.ended_at or now
    url = log_url(run, step.invocation_id, attempt.number)
    if before is not None and before.ended_at and attempt.queued_at > before.ended_at:
        waited = _length(before.ended_at, attempt.queued_at)
        bars.append(_bar("wait", "retrying", scale, before.ended_at, attempt.queued_at, f"waited {waited} to retry"))
    if (begin - attempt.queued_at).total_seconds() > 0.05:
        queued = _length(attempt.queued_at, begin)
        bars.append(_bar("queued", "queued", scale, attempt.queued_at, begin, f"queued {queued}"))
    if attempt.started_at is not None:
        end = attempt.ended_at or now
        word = present.state(attempt.status).word.lower()
        title = f"attempt {attempt.number}: {word}, {_length(attempt.started_at, end)}"
        bars.append(_bar("run", attempt.status, scale, attempt.started_at, end, title, url))
    return bars


def _bar(kind: str, status: str, scale: TimeScale, begin: datetime, end: datetime, title: str, url: str = "") -> Bar:
    x = scale.percent(begin)
    width = max(_THINNEST, scale.percent(end) - x)
    return Bar(kind, status, f"{min(x, 100 - width):.2f}%", f"{width:.2f}%", title, url)


def _length(begin: datetime, end: datetime) -> str:
    return format_duration((end - begin).total_seconds())


def _versus(attempt: Attempt | None, usual: float | None) -> str:
    if attempt is None or attempt.ended_at is None or attempt.started_at is None or not usual:
        return ""
    percent = round(100 * ((attempt.ended_at - attempt.started_at).total_seconds() - usual) / usual)
    return "" if abs(percent) <= 10 else f"{'+' if percent > 0 else '−'}{abs(percent):,} %"


def _critical_path(run: Run, steps: list[StepRun]) -> list[StepRun]:
    """Return the steps the run's length hangs on: from the last to end, each time the one it waited for longest."""
    by_id = {step.id: step for step in steps if step.started_at}
    if not by_id:
        return []
    above: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    edges = StepEdge.objects.filter(downstream__run=run).values_list("upstream_id", "downstream_id")
    for up, down in edges:
        above[down].append(up)
    # One that still runs has no end yet: it ends after all others.
    latest = datetime.max.replace(tzinfo=timezone.now().tzinfo)
    step = max(by_id.values(), key=lambda one: one.ended_at or latest)
    found = [step]
    while ups := [by_id[up] for up in above[step.id] if up in by_id and by_id[up] not in found]:
        step = max(ups, key=lambda one: one.ended_at or latest)
        found.append(step)
    return list(reversed(found))


def _told(critical: list[StepRun], now: datetime, whole: float) -> str:
    if not critical:
        return ""
    seconds = sum(max(0.0, _seconds(step, now)) for step in critical)
    names = [present.step_label(step.invocation_id) for step in critical]
    shown = names if len(names) <= 8 else [*names[:4], "…", *names[-3:]]
    return f"{' → '.join(shown)}: {format_duration(seconds)} of {format_duration(whole)}"


def _usual(run: Run) -> dict[str, float]:
    """Return invocation id -> the usual seconds of its step, from the runs of the pipeline before."""
    runs = Run.objects.filter(pipeline_id=run.pipeline_id, id__lt=run.id, status=RunStatus.COMPLETED)
    ids = list(runs.order_by("-id").values_list("id", flat=True)[:_USUAL_RUNS])
    taken: dict[str, list[float]] = defaultdict(list)
    done = StepRun.objects.filter(run_id__in=ids, status=StepStatus.COMPLETED, kind=StepKind.STEP)
    for name, begin, end in done.values_list("invocation_id", "started_at", "ended_at"):
        if begin and end:
            taken[name].append((end - begin).total_seconds())
    return {name: statistics.median(seconds) for name, seconds in taken.items() if len(seconds) >= _FEWEST}


def _choices(steps: list[StepRun]) -> list[tuple[str, str]]:
    found = dict.fromkeys(step.status for step in steps)
    return [(status, present.state(status).word) for status in found]


urlpatterns = [path("runs/<str:ref>/timeline/", timeline, name="timeline")]
