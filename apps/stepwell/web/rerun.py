"""The rerun form: what runs again, with which parameters and step options, and what that will do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from stepwell.accounts.models import Role, as_uuid
from stepwell.core.ids import new_id
from stepwell.core.plan import Overrides
from stepwell.core.status import DONE_STEP, RerunCode, RerunScope, RunStatus, StepKind
from stepwell.errors import UsageError
from stepwell.execution import actions, previews
from stepwell.execution.parameters import ParameterErrors
from stepwell.pipelines.models import Snapshot
from stepwell.runs.models import Run, StepRun
from stepwell.web import forms, option_forms, present, run_page
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.request import WebRequest, record_run_act, render_page

_NAMES_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What was asked for, as far as it could be read. ``errors`` are by the field's key."""

    scope: str
    from_steps: list[str]
    code: str
    parameters: dict[str, Any] | None
    overrides: Overrides | None
    errors: dict[str, str]
    parameter_errors: dict[str, str]

    @property
    def n_errors(self) -> int:
        return len(self.errors) + len(self.parameter_errors)


@dataclass(frozen=True, slots=True)
class PlanLine:
    """Steps that meet the same fate for the same reason."""

    state: present.State
    names: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    lines: list[PlanLine]
    changes: list[run_page.Change]
    n_run: int
    n_reused: int

    @property
    def sentence(self) -> str:
        if not self.lines:
            return "The pipeline is read again; its steps are known then."
        runs = f"{present.count(self.n_run, 'step')} will run again"
        return f"{runs}, {present.count(self.n_reused, 'result')} reused." if self.n_reused else f"{runs}."


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def rerun(request: WebRequest, ref: str) -> HttpResponse:
    """Show the form; on POST preview it, or start the run when everything fits."""
    run = get_run_or_404(request, ref)
    steps = _steps(run)
    if request.method != "POST":
        return _page(request, run, steps, _first_form(request, run, steps))
    form = _read(run, steps, request.POST)
    if request.htmx or "preview" in request.POST:
        return _page(request, run, steps, form, posted=request.POST)
    if form.n_errors:
        return _page(request, run, steps, form, posted=request.POST, status=422)
    key = form_key(request)
    is_repeat = was_sent(key)
    with transaction.atomic():
        new = actions.rerun(
            run=run,
            scope=form.scope,
            from_steps=form.from_steps,
            code=form.code,
            parameters=form.parameters,
            overrides=form.overrides,
            actor=request.user,
            idempotency_key=key,
        )
        if not is_repeat:
            record_run_act(request, "run.rerun", new, parent=run.number, scope=form.scope, changes=new.changes)
    messages.success(request, f"Run #{new.number} was started from #{run.number}.")
    return redirect("runs:detail", new.number)


def form_key(request: WebRequest) -> str | None:
    """Return what makes sending the same form twice start one run; None when the form has no key."""
    key = as_uuid(request.POST.get("form_key", ""))
    return f"form:{request.user.pk}:{key}" if key else None


def was_sent(key: str | None) -> bool:
    """Return whether a form with this key has started a run already."""
    return key is not None and Run.objects.filter(idempotency_key=key).exists()


def _steps(run: Run) -> list[StepRun]:
    """Return the steps whose options the form shows: all, or of a large run those that did not finish first."""
    steps = list(StepRun.objects.filter(run=run, kind=StepKind.STEP).order_by("ordinal"))
    if len(steps) <= option_forms.MOST_STEPS:
        return steps
    chosen = sorted(steps, key=lambda step: step.status in DONE_STEP)[: option_forms.MOST_STEPS]
    return sorted(chosen, key=lambda step: step.ordinal)


def _first_form(request: WebRequest, run: Run, steps: list[StepRun]) -> Form:
    """Return the form as the address asks for it: ``?scope=failed``, or ``?scope=steps&from=train``."""
    known = {step.invocation_id for step in steps}
    chosen = [name for name in request.GET.getlist("from") if name in known]
    scope = _default_scope(request, run, steps)
    if request.GET.get("scope") == RerunScope.FROM_STEPS and run.is_finished and chosen:
        scope = RerunScope.FROM_STEPS
    return Form(
        scope=scope,
        from_steps=chosen if scope == RerunScope.FROM_STEPS else [],
        code=RerunCode.AS_RUN,
        parameters=None,
        overrides=None,
        errors={},
        parameter_errors={},
    )


def _can_resume(run: Run, steps: list[StepRun]) -> bool:
    return run.is_finished and run.status != RunStatus.COMPLETED and any(step.status in DONE_STEP for step in steps)


def _default_scope(request: WebRequest, run: Run, steps: list[StepRun]) -> str:
    asked = request.GET.get("scope") or RerunScope.WHOLE
    return RerunScope.FROM_FAILED if asked == RerunScope.FROM_FAILED and _can_resume(run, steps) else RerunScope.WHOLE


def _read(run: Run, steps: list[StepRun], posted: QueryDict) -> Form:
    scope = posted.get("scope", RerunScope.WHOLE)
    if scope not in set(RerunScope):
        raise UsageError("There is no such choice of what runs again.", hint="Choose one the form offers.")
    code = posted.get("code", RerunCode.AS_RUN)
    if code not in set(RerunCode):
        raise UsageError("There is no such choice of code.", hint="Choose the code as it ran, or the newest.")
    snapshot = actions.snapshot_for(run, code)
    overrides, errors = option_forms.read_overrides(steps, posted, run.parsed_overrides)
    # What was ticked stays in the form while another scope is chosen.
    chosen = posted.getlist("from") if scope == RerunScope.FROM_STEPS else []
    if scope == RerunScope.FROM_STEPS and not chosen:
        errors["from"] = "Choose at least one step to run again."
    parameters, parameter_errors = None, {}
    try:
        parameters = forms.read_parameters(snapshot.parameters_schema, posted)
    except ParameterErrors as exc:
        parameter_errors = exc.fields
    return Form(
        scope=scope,
        from_steps=chosen,
        code=code,
        parameters=parameters,
        overrides=overrides if overrides.steps else None,
        errors=errors,
        parameter_errors=parameter_errors,
    )


def _page(
    request: WebRequest,
    run: Run,
    steps: list[StepRun],
    form: Form,
    *,
    posted: QueryDict | None = None,
    status: int = 200,
) -> HttpResponse:
    snapshot = actions.snapshot_for(run, form.code)
    newest = run.pipeline.newest_runnable
    kept = posted if posted is None or snapshot.id == run.snapshot_id else _known_fields(posted, run, snapshot)
    context = {
        "run": run,
        "newest": newest if newest and newest.id != run.snapshot_id else None,
        "ticked": set(posted.getlist("from")) if posted is not None else set(form.from_steps),
        "form": form,
        "can_resume": _can_resume(run, steps),
        "form_key": (posted or {}).get("form_key") or str(new_id()),
        "fields": forms.parameter_fields(
            snapshot.parameters_schema,
            {**forms.defaults(snapshot.parameters_schema), **run.parameters},
            posted=kept,
            errors=form.parameter_errors,
            show_was=posted is not None,
        ),
        "step_forms": option_forms.step_forms(steps, posted=posted, errors=form.errors),
        "n_hidden": StepRun.objects.filter(run=run, kind=StepKind.STEP).count() - len(steps),
        "forecast": None if form.n_errors else _forecast(run, form),
    }
    return render_page(request, "runs/rerun.html", context, fragments={"rerun-preview"}, status=status)


def _known_fields(posted: QueryDict, run: Run, snapshot: Snapshot) -> QueryDict:
    """Return the form's fields with the defaults of parameters that only the newer code has."""
    filled = posted.copy()
    known = run.snapshot.parameters_schema.get("properties", {})
    for field in forms.parameter_fields(snapshot.parameters_schema, forms.defaults(snapshot.parameters_schema)):
        if field.label not in known and field.key not in filled:
            filled[field.key] = field.value
    return filled


def _forecast(run: Run, form: Form) -> Forecast:
    found = previews.preview_rerun(
        run=run,
        scope=form.scope,
        from_steps=form.from_steps,
        code=form.code,
        parameters=form.parameters,
        overrides=form.overrides,
    )
    fates = [fate for _, fate, _ in found.steps]
    return Forecast(
        lines=_lines(found.steps),
        changes=[run_page.change(item) for item in found.changes],
        n_run=fates.count("runs"),
        n_reused=fates.count("reused"),
    )


def _lines(fates: list[tuple[str, str, str]]) -> list[PlanLine]:
    groups: dict[tuple[str, str], list[str]] = {}
    for invocation_id, fate, why in fates:
        groups.setdefault((fate, why), []).append(invocation_id)
    lines = []
    for (fate, why), names in groups.items():
        shown = ", ".join(names[:_NAMES_SHOWN])
        rest = len(names) - _NAMES_SHOWN
        status = "running" if fate == "runs" else "reused"
        lines.append(PlanLine(present.state(status), f"{shown} and {rest:,} more" if rest > 0 else shown, why))
    return lines
