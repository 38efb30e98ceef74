"""The pages of one run."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from stepwell.accounts.models import Role
from stepwell.execution import actions
from stepwell.runs.models import Run
from stepwell.web import forms, option_forms, present, run_list, run_logs, run_page
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.request import WebRequest, record_run_act, render_page
from stepwell.web.rerun import rerun
from stepwell.web.step_panel import step_panel
from stepwell.web.step_table import step_table
from stepwell.web.story import story


@require_safe
@needs(Role.VIEWER)
def detail(request: WebRequest, ref: str) -> HttpResponse:
    """Show a run; to htmx, what of it changed since."""
    run = get_run_or_404(request, ref)
    context = {"head": run_page.run_head(run, request.user), "failure": run_page.failure(run), "tab": "overview"}
    is_live = bool(request.htmx) and request.htmx.target == "run-live"
    if is_live and "part" in request.GET:
        return render_page(request, "runs/live.html", {**context, "live_query": "?part=head"})
    template = "runs/live.html" if is_live else "runs/detail.html"
    return render_page(request, template, {**context, **_overview(request, run)})


def _overview(request: WebRequest, run: Run) -> dict[str, Any]:
    wanted, number = request.GET.get("step", ""), request.GET.get("attempt", "")
    attempt = int(number[:9]) if number.isascii() and number.isdigit() else None
    table = step_table(run, wanted)
    panel = step_panel(run, table.selected, attempt) if table.selected else None
    log_shown = panel.log.attempt_id if panel and panel.log else None
    return {
        "table": table,
        "panel": panel,
        "live_query": present.query(
            # Unless the person chose a step the panel follows the run: to what runs, then to what failed.
            step=wanted,
            attempt=attempt,
            shown=log_shown,
            mark=panel.mark if panel else None,
        ),
        "is_new_log": (log_shown or "") != request.GET.get("shown", ""),
        "had_panel": bool(request.GET.get("mark")),
        "is_new_panel": panel is not None and panel.mark != request.GET.get("mark"),
    }


@require_safe
@needs(Role.VIEWER)
def parameters(request: WebRequest, ref: str) -> HttpResponse:
    """Show what a run was started with."""
    run = get_run_or_404(request, ref)
    fields = forms.parameter_fields(run.snapshot.parameters_schema, run.parameters)
    types = {field.label: field.type_word for field in fields}
    context = {
        "head": run_page.run_head(run, request.user),
        "failure": run_page.failure(run),
        "tab": "parameters",
        "parameters": [(name, types.get(name, ""), present.value(value)) for name, value in run.parameters.items()],
        "overrides": option_forms.overrides_text(run.parsed_overrides),
        "execution_mode": run.execution_mode.replace("_", " "),
    }
    return render_page(request, "runs/parameters.html", context)


@require_safe
@needs(Role.VIEWER)
def events(request: WebRequest, ref: str) -> HttpResponse:
    """Tell everything that happened in a run, in order."""
    run = get_run_or_404(request, ref)
    text = request.GET.get("after", "")
    after = int(text[:15]) if text.isascii() and text.isdigit() else 0
    lines, more = story(run, after=after)
    url = reverse("runs:events", args=[run.number])
    context = {
        "head": run_page.run_head(run, request.user),
        "failure": run_page.failure(run),
        "tab": "events",
        "lines": lines,
        "events_url": f"{url}?after={after}" if after else url,
        "first_url": url if after else "",
        "next_url": f"{url}?after={more}" if more else "",
    }
    return render_page(request, "runs/events.html", context, fragments={"run-events"})


@require_POST
@needs(Role.OPERATOR)
def cancellation(request: WebRequest, ref: str) -> HttpResponse:
    """Ask a run to stop."""
    run = get_run_or_404(request, ref)
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


def _cancelled(run: Run) -> str:
    if run.is_finished:
        return f"Run #{run.number} is cancelled; no step was running."
    return "Cancelling: steps that wait will not start; running ones get a moment to stop, then are ended."


urlpatterns = [
    *run_list.urlpatterns,
    path("runs/<str:ref>/", detail, name="detail"),
    path("runs/<str:ref>/rerun/", rerun, name="rerun"),
    path("runs/<str:ref>/cancellation/", cancellation, name="cancellation"),
    path("runs/<str:ref>/parameters/", parameters, name="parameters"),
    path("runs/<str:ref>/events/", events, name="events"),
    *run_logs.urlpatterns,
]
