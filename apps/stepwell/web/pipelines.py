"""The pipelines, one pipeline, and the form that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe

from stepwell.accounts.models import Role
from stepwell.core.ids import new_id
from stepwell.core.plan import Overrides, StepOverride
from stepwell.core.status import Trigger
from stepwell.errors import NotFound, UsageError
from stepwell.execution import actions
from stepwell.execution.parameters import ParameterErrors
from stepwell.pipelines.models import Pipeline, Snapshot
from stepwell.runs.models import Run
from stepwell.web import forms, present, run_presets, run_tags
from stepwell.web.access import get_pipeline_or_404, needs
from stepwell.web.pipeline_context import pipeline_context
from stepwell.web.pipeline_rows import latest_runs, pipeline_rows
from stepwell.web.request import WebRequest, record_run_act, render_page
from stepwell.web.rerun import form_key, was_sent
from stepwell.web.run_rows import listed, run_rows
from stepwell.web.step_grid import step_durations, step_grid

PAGE_ROWS = 40
_RUNS_SHOWN = 20
_SNAPSHOTS_SHOWN = 50


@require_safe
@needs(Role.VIEWER)
def pipeline_list(request: WebRequest) -> HttpResponse:
    """List the pipelines by name."""
    after = request.GET.get("after", "").replace("\0", "")[:255]
    rows, more = pipeline_rows(limit=PAGE_ROWS, after=after)
    context = {
        "rows": rows,
        "after": after,
        "next_url": present.query(after=more),
        "can_operate": request.user.may(Role.OPERATOR),
    }
    return render_page(request, "pipelines/list.html", context)


@require_safe
@needs(Role.VIEWER)
def detail(request: WebRequest, slug: str) -> HttpResponse:
    """Show a pipeline: what it is for, how it went, what it takes, which code there was."""
    pipeline = get_pipeline_or_404(request, slug)
    newest = pipeline.newest_snapshot
    schema = newest.parameters_schema if newest else {}
    runs = list(listed(Run.objects.filter(pipeline=pipeline).order_by("-id"))[:_RUNS_SHOWN])
    latest = latest_runs([pipeline.pk])[pipeline.pk]
    context = {
        **pipeline_context(request, pipeline, newest, latest, tab="runs"),
        "rows": run_rows(runs),
        "grid": step_grid(latest),
        "fields": forms.parameter_fields(schema, forms.defaults(schema)),
    }
    return render_page(request, "pipelines/detail.html", context, fragments={"pipeline-runs"})


@require_safe
@needs(Role.VIEWER)
def durations(request: WebRequest, slug: str) -> HttpResponse:
    """Show how long each step of a pipeline took in its latest runs."""
    pipeline = get_pipeline_or_404(request, slug)
    latest = latest_runs([pipeline.pk])[pipeline.pk]
    context = {
        **pipeline_context(request, pipeline, pipeline.newest_snapshot, latest, tab="durations"),
        "durations": step_durations(latest),
    }
    return render_page(request, "pipelines/durations.html", context)


@require_safe
@needs(Role.VIEWER)
def code(request: WebRequest, slug: str) -> HttpResponse:
    """Show the code versions of a pipeline, and how one differs from the one before it."""
    pipeline = get_pipeline_or_404(request, slug)
    snapshots = _snapshots(pipeline)
    newest = snapshots[0] if snapshots else None
    latest = latest_runs([pipeline.pk])[pipeline.pk]
    context = {
        **pipeline_context(request, pipeline, newest, latest, tab="code"),
        "snapshots": [(one, present.moment(one.created_at)) for one in snapshots],
        "source_code": newest.compiled.source_code if newest else "",
    }
    return render_page(request, "pipelines/code.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def run(request: WebRequest, slug: str) -> HttpResponse:
    """Show the form that starts a run; on POST start it when every field fits."""
    pipeline = get_pipeline_or_404(request, slug)
    snapshot = pipeline.newest_runnable or pipeline.newest_snapshot
    if snapshot is None:
        raise NotFound(f"{pipeline.name} has no registered code.", hint="Register its file: stepwell register FILE.")
    if request.method != "POST":
        return _form(request, pipeline, snapshot, errors={})
    tags, errors = _read_tags(request.POST)
    name = request.POST.get("name", "").replace("\0", "").strip()[:255]
    try:
        parameters = forms.read_parameters(snapshot.parameters_schema, request.POST)
    except ParameterErrors as exc:
        return _form(request, pipeline, snapshot, errors={**exc.fields, **errors})
    if errors:
        return _form(request, pipeline, snapshot, errors=errors)
    try:
        made = _start(request, pipeline, snapshot, parameters=parameters, name=name, tags=tags)
    except NotFound as exc:
        # A secret or component that a step names is not there: the form stays as it was filled in.
        return _form(request, pipeline, snapshot, errors={":run": f"{exc.message} {exc.hint}".strip()})
    messages.success(request, f"Run #{made.number} was started.")
    return redirect("runs:detail", made.number)


def _start(
    request: WebRequest,
    pipeline: Pipeline,
    snapshot: Snapshot,
    *,
    parameters: dict[str, Any],
    name: str,
    tags: list[str],
) -> Run:
    key = form_key(request)
    is_repeat = was_sent(key)
    with transaction.atomic():
        made = actions.start_run(
            pipeline=pipeline,
            snapshot=snapshot,
            parameters=parameters,
            overrides=_operators_off(snapshot, request.POST),
            trigger=Trigger.BROWSER,
            actor=request.user,
            name=name or None,
            tags=tags,
            idempotency_key=key,
        )
        if not is_repeat:
            record_run_act(request, "run.started", made, parameters=made.parameters)
    return made


def _operated(snapshot: Snapshot) -> list[str]:
    """Return the steps that ask for a step operator, as far as the plan is known before the run."""
    plan = snapshot.compiled.plan
    return [step.invocation_id for step in plan.steps if step.options.step_operator] if plan else []


def _operators_off(snapshot: Snapshot, posted: Mapping[str, str]) -> Overrides | None:
    if "operators_shown" not in posted or "operators" in posted:
        return None
    return Overrides(steps={step: StepOverride(step_operator=False) for step in _operated(snapshot)})


def _form(request: WebRequest, pipeline: Pipeline, snapshot: Snapshot, *, errors: dict[str, str]) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    schema = snapshot.parameters_schema
    chosen = request.GET.get("from", "")
    values = {**forms.defaults(schema), **(run_presets.earlier_parameters(pipeline, chosen, schema) or {})}
    context: dict[str, Any] = {
        "pipeline": pipeline,
        "snapshot": snapshot,
        "form_key": (posted or {}).get("form_key") or str(new_id()),
        "fields": forms.parameter_fields(schema, values, posted=posted, errors=errors),
        "presets": run_presets.presets(pipeline, chosen) if schema.get("properties") else [],
        "calls": run_presets.calls(request, pipeline, values),
        "name": (posted or {}).get("name", ""),
        "tags": (posted or {}).get("tags", ""),
        "tags_error": errors.get(":tags", ""),
        "problem": errors.get(":run", ""),
        "operated": _operated(snapshot),
        "with_operators": posted is None or "operators" in posted,
        "n_errors": len(errors.keys() - {":run"}),
    }
    return render_page(request, "pipelines/run.html", context, status=422 if errors else 200)


def _read_tags(sent: QueryDict) -> tuple[list[str], dict[str, str]]:
    try:
        return run_tags.read(sent), {}
    except UsageError as exc:
        return [], {":tags": exc.message}


def _snapshots(pipeline: Pipeline) -> list[Snapshot]:
    """Return the newest code versions; only the first holds its spec."""
    query = Snapshot.objects.filter(pipeline=pipeline).order_by("-number").defer("environment")
    newest = query.first()
    if newest is None:
        return []
    older = query.filter(number__lt=newest.number).defer("environment", "spec", "parameters_schema")
    return [newest, *older[: _SNAPSHOTS_SHOWN - 1]]


urlpatterns = [
    path("pipelines/", pipeline_list, name="list"),
    path("pipelines/<str:slug>/", detail, name="detail"),
    path("pipelines/<str:slug>/durations/", durations, name="durations"),
    path("pipelines/<str:slug>/code/", code, name="code"),
    path("pipelines/<str:slug>/run/", run, name="run"),
]
