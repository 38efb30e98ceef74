"""What a run was started with: parameters, and the options of every step with the layer each came from."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.core.status import StepKind
from stepwell.runs.models import Run, StepRun
from stepwell.web import forms, option_forms, panel_parts, present
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_page import step_url
from stepwell.web.run_tabs import run_context

#: steps on one page
_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptionRows:
    """The options of one step."""

    invocation_id: str
    url: str
    options: list[panel_parts.Fact]
    n_default: int


@require_safe
@needs(Role.VIEWER)
def config(request: WebRequest, ref: str) -> HttpResponse:
    """Show parameters, what was changed for this run, and the effective options of its steps."""
    run = get_run_or_404(request, ref)
    wanted, everything = request.GET.get("q", "")[:200], "all" in request.GET
    steps, next_url = _steps(run, wanted, request)
    fields = forms.parameter_fields(run.snapshot.parameters_schema, run.parameters)
    types = {field.label: field.type_word for field in fields}
    context = {
        **run_context(request, run, "config"),
        "parameters": [(name, types.get(name, ""), present.value(value)) for name, value in run.parameters.items()],
        "overrides": option_forms.overrides_text(run.parsed_overrides),
        "execution_mode": run.execution_mode.replace("_", " "),
        "environment": run.snapshot.environment.splitlines(),
        "steps": [_rows(run, step, everything=everything) for step in steps],
        "wanted": wanted,
        "everything": everything,
        "config_url": reverse("runs:config", args=[run.number]),
        "next_url": next_url,
    }
    return render_page(request, "runs/config.html", context)


def _steps(run: Run, wanted: str, request: WebRequest) -> tuple[list[StepRun], str]:
    after = request.GET.get("after", "")
    steps = StepRun.objects.filter(run=run, kind__in=[StepKind.STEP, StepKind.DRIVER]).only(
        "id", "run_id", "invocation_id", "ordinal", "plan"
    )
    if wanted:
        steps = steps.filter(invocation_id__icontains=wanted.replace("\0", ""))
    if after.isascii() and after.isdigit():
        steps = steps.filter(ordinal__gt=int(after[:9]))
    found = list(steps.order_by("ordinal", "id")[: _PAGE + 1])
    if len(found) <= _PAGE:
        return found, ""
    query = present.query(q=wanted, all="1" if "all" in request.GET else "", after=found[_PAGE - 1].ordinal)
    return found[:_PAGE], query


def _rows(run: Run, step: StepRun, *, everything: bool) -> StepOptionRows:
    options = panel_parts.plain_options(step)
    chosen = [fact for fact in options if fact.note != "default"]
    return StepOptionRows(
        invocation_id=step.invocation_id,
        url=step_url(run, step.invocation_id, part="options"),
        options=options if everything else chosen,
        n_default=len(options) - len(chosen),
    )


urlpatterns = [path("runs/<str:ref>/config/", config, name="config")]
