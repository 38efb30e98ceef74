"""The pages of one run."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from stepwell.accounts.models import Role
from stepwell.errors import UsageError
from stepwell.execution import actions
from stepwell.runs.models import Run
from stepwell.web import (
    acknowledgements,
    compare,
    confirm,
    run_artifacts,
    run_code,
    run_config,
    run_graph,
    run_list,
    run_logs,
    run_tabs,
    run_tags,
    run_timeline,
    undo,
    unresolved,
)
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.request import WebRequest, record_run_act, render_page
from stepwell.web.rerun import rerun
from stepwell.web.run_gist import gist
from stepwell.web.run_tabs import open_panel, run_context
from stepwell.web.run_tags import TagField
from stepwell.web.step_table import read_view, step_table

_STOPPING = "Steps that wait will not start; running ones get a moment to stop, then are ended."


@require_safe
@needs(Role.VIEWER)
def detail(request: WebRequest, ref: str) -> HttpResponse:
    """Show a run; to htmx, what of it changed since."""
    run = get_run_or_404(request, ref)
    if ref != str(run.number):
        query = request.META.get("QUERY_STRING", "")
        return redirect(f"{reverse('runs:detail', args=[run.number])}{'?' if query else ''}{query}")
    context = run_context(request, run, "detail")
    is_live = bool(request.htmx) and request.htmx.target == "run-live"
    if is_live and "part" in request.GET:
        return render_page(request, "runs/live.html", {**context, "live_query": "?part=head"})
    template = "runs/live.html" if is_live else "runs/detail.html"
    return render_page(request, template, {**context, **_overview(request, run, context["head"].n_artifacts)})


def _overview(request: WebRequest, run: Run, n_artifacts: int) -> dict[str, Any]:
    view = read_view(request.GET)
    table = step_table(run, view)
    panel, asked = open_panel(request, run, table.selected)
    # What a page that is open knows already is not worked out again.
    is_new_gist = request.GET.get("made") != str(n_artifacts)
    log_shown = panel.log.window.attempt_id if panel and panel.log else None
    return {
        "table": table,
        "panel": panel,
        # Unless the person chose a step the panel follows the run: to what runs, then to what failed.
        "live_query": view.query(**asked, shown=log_shown, mark=panel.mark if panel else None, made=n_artifacts),
        "gist": gist(run, has_results=n_artifacts > 0) if is_new_gist else None,
        "is_new_log": (log_shown or "") != request.GET.get("shown", ""),
        "had_panel": bool(request.GET.get("mark")),
        "is_new_panel": panel is not None and panel.mark != request.GET.get("mark"),
    }


@require_POST
@needs(Role.OPERATOR)
def tags(request: WebRequest, ref: str) -> HttpResponse:
    """Put tags on a run, or take them off."""
    run = get_run_or_404(request, ref)
    try:
        with transaction.atomic():
            changed = run_tags.change(run, request.POST)
            if changed.added or changed.removed:
                record_run_act(request, "tags.changed", run, added=changed.added, removed=changed.removed)
    except UsageError as exc:
        field = TagField(request.POST.get("tags", ""), f"{exc.message} {exc.hint}".strip())
        context = run_context(request, run, "detail")
        context |= {**_overview(request, run, context["head"].n_artifacts), "tag_field": field}
        return render_page(request, "runs/detail.html", context, status=exc.status)
    if changed.added or changed.removed:
        here = reverse("runs:tags", args=[run.number])
        undo.offer(request, run_tags.told(run, changed), here, add=changed.removed, remove=changed.added)
    else:
        messages.info(request, run_tags.told(run, changed))
    return redirect("runs:detail", run.number)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def cancellation(request: WebRequest, ref: str) -> HttpResponse:
    """Ask, then ask the run to stop."""
    run = get_run_or_404(request, ref)
    if request.method != "POST":
        return _ask_to_cancel(request, run)
    before = run.status
    try:
        with transaction.atomic():
            actions.cancel_run(run=run, by=request.user.get_username())
            record_run_act(request, "run.cancelled", run, was=before)
    except actions.RunFinished as exc:
        messages.error(request, f"{exc.message} {exc.hint}".strip())
    else:
        messages.success(request, _cancelled(run))
    return redirect("runs:detail", run.number)


def _ask_to_cancel(request: WebRequest, run: Run) -> HttpResponse:
    here = reverse("runs:detail", args=[run.number])
    if run.is_finished:
        messages.info(request, f"Run #{run.number} is already {run.status}.")
        return redirect(here)
    return confirm.ask(
        request,
        f"Cancel {run}?",
        will_happen=f"{_STOPPING} This cannot be taken back; a rerun keeps the results that are there.",
        button=f"Cancel run #{run.number}",
        crumbs=[("Runs", reverse("runs:list")), (str(run), here)],
    )


def _cancelled(run: Run) -> str:
    if run.is_finished:
        return f"Run #{run.number} is cancelled; no step was running."
    return f"Cancelling. {_STOPPING}"


urlpatterns = [
    *run_list.urlpatterns,
    *compare.urlpatterns,
    *unresolved.run_urlpatterns,
    *acknowledgements.run_urlpatterns,
    *run_tags.urlpatterns,
    path("runs/<str:ref>/", detail, name="detail"),
    path("runs/<str:ref>/rerun/", rerun, name="rerun"),
    path("runs/<str:ref>/tags/", tags, name="tags"),
    path("runs/<str:ref>/cancellation/", cancellation, name="cancellation"),
    *run_tabs.urlpatterns,
    *run_graph.urlpatterns,
    *run_timeline.urlpatterns,
    *run_artifacts.urlpatterns,
    *run_config.urlpatterns,
    *run_code.urlpatterns,
    *run_logs.urlpatterns,
]
