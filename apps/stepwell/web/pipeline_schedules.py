"""The schedules of one pipeline: when each fires next, and what is done to it."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.core.ids import new_id
from stepwell.web import present, schedule_rows
from stepwell.web.access import get_pipeline_or_404, needs
from stepwell.web.pipeline_context import pipeline_context
from stepwell.web.pipeline_rows import latest_runs
from stepwell.web.request import WebRequest, render_page

PAGE = 20
_TIMES_SHOWN = 5


@require_safe
@needs(Role.VIEWER)
def schedules(request: WebRequest, slug: str) -> HttpResponse:
    """Show the schedules of a pipeline with the next times of each."""
    pipeline = get_pipeline_or_404(request, slug)
    latest = latest_runs([pipeline.pk])[pipeline.pk]
    after = request.GET.get("after", "").replace("\0", "")[:255]
    found, more = schedule_rows.upcoming(pipeline, limit=PAGE, n_times=_TIMES_SHOWN, after=after)
    context = {
        **pipeline_context(request, pipeline, pipeline.newest_snapshot, latest, tab="schedules"),
        "schedules": found,
        "after": after,
        "next_url": present.query(after=more),
        "form_key": str(new_id()),
    }
    return render_page(request, "pipelines/schedules.html", context)


urlpatterns = [path("pipelines/<str:slug>/schedules/", schedules, name="schedules")]
