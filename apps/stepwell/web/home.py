"""Home: what needs somebody, what runs now, what ran of late, the pipelines there are."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.core.status import TERMINAL_RUN, RunStatus
from stepwell.runs.models import Run
from stepwell.web import usual
from stepwell.web.access import needs
from stepwell.web.pipeline_rows import pipeline_rows_with_runs
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_rows import listed, run_rows
from stepwell.web.runners import lost_runners
from stepwell.web.timeline import read_span, timeline

_LIVE = frozenset(RunStatus) - TERMINAL_RUN
#: how many of each the page shows
_RUNNING = 20
_RECENT = 10
_PIPELINES = 8


@require_safe
@needs(Role.VIEWER)
def home(request: WebRequest) -> HttpResponse:
    unfinished = listed(Run.objects.filter(status__in=_LIVE).order_by("-id"))
    # Not "status in": that would have SQLite sort all of them by its index on the status.
    finished = listed(Run.objects.exclude(status__in=_LIVE).order_by("-id"))
    pipelines, runs = pipeline_rows_with_runs(limit=_PIPELINES)
    usual.remember(runs)
    rows = run_rows([*unfinished[:_RUNNING], *finished[:_RECENT]])
    lanes = [(row.id, row.name, row.url) for row in pipelines]
    context = {
        "running": [row for row in rows if not row.is_finished],
        "recent": [row for row in rows if row.is_finished],
        "pipelines": pipelines,
        "timeline": timeline(lanes, runs, span=read_span(request.GET.get("hours", ""))) if rows else None,
        "n_lost": lost_runners().count(),
        "can_operate": request.user.may(Role.OPERATOR),
    }
    return render_page(request, "home.html", context, fragments={"home-runs"})


urlpatterns = [path("", home, name="home")]
