"""Failures that still need somebody: by cause, each cause with a page of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max, Min
from django.db.models.functions import TruncDate
from django.http import HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.core.status import StepStatus
from stepwell.desk.models import Acknowledgement
from stepwell.errors import NotFound
from stepwell.runs.models import Attempt, Run
from stepwell.web import present
from stepwell.web.access import needs, shown
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_rows import RunRow, listed, run_rows

_MOST_RUNS = 500
_GROUPS_SHOWN = 60
_RUNS_OF_GROUP = 5
_RUNS_SHOWN = 50
_NOTES_SHOWN = 20
_DAYS = 30
_BAR_STEP = 14
_BAR_HEIGHT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Failed runs that broke in the same way, the newest first."""

    fingerprint: str
    what: str
    where: str
    step: str
    url: str
    rerun_url: str
    n_runs: int
    first: present.Moment | None
    last: present.Moment | None
    rows: list[RunRow]


@require_safe
@needs(Role.VIEWER)
def unresolved(request: WebRequest) -> HttpResponse:
    """List the failures no rerun and no person has settled, by cause."""
    runs = list(listed(Run.objects.filter(is_unresolved=True).order_by("-id")).only(*_COLUMNS)[: _MOST_RUNS + 1])
    groups: dict[str, list[Run]] = {}
    for run in runs[:_MOST_RUNS]:
        groups.setdefault(run.fingerprint, []).append(run)
    shown_groups = dict(list(groups.items())[:_GROUPS_SHOWN])
    context = {
        "causes": _causes(shown_groups),
        "n_hidden": len(groups) - len(shown_groups),
        "is_cut": len(runs) > _MOST_RUNS,
        "can_operate": request.user.may(Role.OPERATOR),
    }
    return render_page(request, "runs/unresolved.html", context, fragments={"causes"})


_COLUMNS = (
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
    "fingerprint",
    "pipeline__name",
    "pipeline__slug",
)


def _causes(groups: dict[str, list[Run]]) -> list[Cause]:
    errors = _first_errors([runs[0] for runs in groups.values()])
    shown_runs = [run for runs in groups.values() for run in runs[:_RUNS_OF_GROUP]]
    rows = {row.number: row for row in run_rows(shown_runs)}
    return [_cause(runs, errors.get(runs[0].pk), rows) for runs in groups.values()]


def _cause(runs: list[Run], error: Attempt | None, rows: dict[int, RunRow]) -> Cause:
    newest = runs[0]
    query = urlencode([("act", "rerun_failed"), ("all", "1"), ("query", f"is=unresolved&error={newest.fingerprint}")])
    return Cause(
        fingerprint=newest.fingerprint,
        what=error_text(error) or newest.status_reason or "Failed without an error",
        where=error.error_where if error else "",
        step=present.step_label(error.step_run.invocation_id) if error else "",
        url=reverse("errors:detail", args=[newest.fingerprint]) if newest.fingerprint else "",
        rerun_url=f"{reverse('bulk:new')}?{query}" if newest.fingerprint else "",
        n_runs=len(runs),
        first=present.moment(runs[-1].ended_at),
        last=present.moment(newest.ended_at),
        rows=[rows[run.number] for run in runs[:_RUNS_OF_GROUP]],
    )


def _first_errors(runs: list[Run]) -> dict[Any, Attempt]:
    """Return the attempt that made each run fail; one query."""
    failed = Attempt.objects.filter(step_run__run__in=[run.pk for run in runs], step_run__status=StepStatus.FAILED)
    columns = ("error_type", "error_message", "error_where", "number", "step_run__invocation_id", "step_run__run_id")
    found: dict[Any, Attempt] = {}
    for attempt in failed.select_related("step_run").only(*columns).order_by("step_run__ended_at", "-number"):
        found.setdefault(attempt.step_run.run_id, attempt)
    return found


def error_text(attempt: Attempt | None) -> str:
    """Return an attempt's error in one line."""
    if attempt is None or not attempt.error_type:
        return ""
    message = attempt.error_message.strip().splitlines()
    return f"{attempt.error_type}: {message[0][:300]}" if message else attempt.error_type


@require_safe
@needs(Role.VIEWER)
def error(request: WebRequest, fingerprint: str) -> HttpResponse:
    """Show one cause of failures: how often, since when, which runs, and what was said about it."""
    runs = runs_of(fingerprint)
    facts = runs.aggregate(n=Count("id"), first=Min("created_at"), last=Max("created_at"))
    if not facts["n"]:
        raise NotFound(f"There is no failure “{shown(fingerprint)}”.", hint="Its runs may have been removed.")
    newest = list(listed(runs.order_by("-id"))[:_RUNS_SHOWN])
    attempt = _first_errors(newest[:1]).get(newest[0].pk)
    notes = Acknowledgement.objects.filter(run__fingerprint=fingerprint).select_related("run").order_by("-at")
    n_open = runs.filter(is_unresolved=True).count()
    context = {
        "fingerprint": fingerprint,
        "what": error_text(attempt) or newest[0].status_reason or "Failed without an error",
        "attempt": attempt,
        "n": facts["n"],
        "n_open": n_open,
        "first": present.moment(facts["first"]),
        "last": present.moment(facts["last"]),
        "bars": _bars(runs.filter(created_at__gte=timezone.now() - timedelta(days=_DAYS))),
        "bars_width": _DAYS * _BAR_STEP,
        "rows": run_rows(newest),
        "notes": [(note, present.moment(note.at)) for note in notes[:_NOTES_SHOWN]],
        "can_operate": request.user.may(Role.OPERATOR),
    }
    return render_page(request, "errors/cause.html", context)


def runs_of(fingerprint: str) -> Any:
    return Run.objects.filter(fingerprint=fingerprint if "\0" not in fingerprint else "-").exclude(fingerprint="")


def _bars(runs: Any) -> list[dict[str, Any]]:
    """Return one bar per day, today last, in pixels."""
    days = dict(runs.annotate(day=TruncDate("created_at")).order_by().values_list("day").annotate(n=Count("id")))
    today = timezone.localdate()
    most = max(days.values(), default=0) or 1
    bars = []
    for index in range(_DAYS):
        day = today - timedelta(days=_DAYS - 1 - index)
        n = days.get(day, 0)
        height = round(_BAR_HEIGHT * n / most) if n else 1
        title = f"{day:%Y-%m-%d}: {present.count(n, 'run')}"
        bars.append({"x": index * _BAR_STEP, "y": _BAR_HEIGHT - height, "height": height, "title": title, "n": n})
    return bars


run_urlpatterns = [
    path("runs/unresolved/", unresolved, name="unresolved"),
]
urlpatterns = [
    path("errors/<str:fingerprint>/", error, name="detail"),
]
