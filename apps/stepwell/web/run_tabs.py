"""The pages of a run beside its overview: config and events, and what every page of a run shows."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from stepwell.accounts.models import Role
from stepwell.core.status import RunStatus, StepStatus
from stepwell.errors import Conflict, NotFound
from stepwell.execution import actions
from stepwell.runs.models import Run, StepRun
from stepwell.web import run_page, undo
from stepwell.web.access import get_run_or_404, needs, shown
from stepwell.web.failure_card import failure
from stepwell.web.request import WebRequest, record_run_act, render_page
from stepwell.web.step_panel import StepPanel, step_panel
from stepwell.web.story import story


def run_context(request: WebRequest, run: Run, tab: str) -> dict[str, Any]:
    """Return what the top of every page of a run shows."""
    head = run_page.run_head(run, request.user)
    n_failed = sum(part.count for part in head.segments if part.status == StepStatus.FAILED)
    # A run that is going well has no need to be asked for what broke, unless a step of ours did.
    is_well = not n_failed and run.status != RunStatus.FAILED
    return {"head": head, "failure": None if is_well else failure(run, n_failed=n_failed), "tab": tab}


def open_panel(
    request: WebRequest, run: Run, invocation_id: str, *, page: str = "detail"
) -> tuple[StepPanel | None, dict[str, Any]]:
    """Return the panel of a step as the address asks for it, and what the address says of it beside the step."""
    number = request.GET.get("attempt", "")
    attempt = int(number[:9]) if number.isascii() and number.isdigit() else None
    part = request.GET.get("tab", "")
    asked = {"attempt": attempt, "tab": part}
    if not invocation_id:
        return None, asked
    panel = step_panel(run, invocation_id, user=request.user, attempt_number=attempt, part=part, page=page)
    return panel, asked


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
        **run_context(request, run, "events"),
        "lines": lines,
        "events_url": f"{url}?after={after}" if after else url,
        "first_url": url if after else "",
        "next_url": f"{url}?after={more}" if more else "",
    }
    return render_page(request, "runs/events.html", context, fragments={"run-events"})


@require_safe
@needs(Role.VIEWER)
def parameters(request: WebRequest, ref: str) -> HttpResponse:
    """Lead an old address to the config."""
    return redirect("runs:config", get_run_or_404(request, ref).number, permanent=True)


@require_safe
@needs(Role.VIEWER)
def step(request: WebRequest, ref: str, invocation_id: str) -> HttpResponse:
    """Lead the address of a step to its panel."""
    run = get_run_or_404(request, ref)
    return redirect(run_page.step_url(run, invocation_id, part=request.GET.get("tab", "")))


@require_POST
@needs(Role.OPERATOR)
def expiry(request: WebRequest, ref: str, invocation_id: str) -> HttpResponse:
    """Have no later run take the result of a step; with ``act=restore`` take that back."""
    run = get_run_or_404(request, ref)
    step = StepRun.objects.select_related("origin_step").filter(run=run, invocation_id=invocation_id).first()
    if step is None:
        raise NotFound(f"Run #{run.number} has no step “{shown(invocation_id)}”.", hint="Open the run: it lists them.")
    is_taken_back = request.POST.get("act") == "restore"
    try:
        with transaction.atomic():
            if is_taken_back:
                made_it = actions.restore_result(step=step)
            else:
                made_it = actions.expire_result(step=step, by=request.user.get_username())
            action = "cache.restored" if is_taken_back else "cache.expired"
            record_run_act(request, action, run, step=invocation_id, cache_key=made_it.cache_key)
    except Conflict as exc:
        messages.error(request, f"{exc.message} {exc.hint}".strip())
    else:
        what = "is used again where it fits" if is_taken_back else "is expired: the next run makes it again"
        here = reverse("runs:expiry", args=[run.number, invocation_id])
        undo.offer(request, f"The result of {invocation_id} {what}.", here, act="" if is_taken_back else "restore")
    return redirect(run_page.step_url(run, invocation_id))


urlpatterns = [
    path("runs/<str:ref>/parameters/", parameters, name="parameters"),
    path("runs/<str:ref>/events/", events, name="events"),
    path("runs/<str:ref>/steps/<path:invocation_id>/expiry/", expiry, name="expiry"),
    path("runs/<str:ref>/steps/<path:invocation_id>/", step, name="step"),
]
