"""The schedules, one schedule, the form that makes one, and what is done to it."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from stepwell.accounts import audit
from stepwell.accounts.models import Role, as_uuid
from stepwell.accounts.zones import zone_names
from stepwell.core.ids import new_id
from stepwell.core.plan import Overrides
from stepwell.errors import ConfigError, NotFound, StepwellError, UsageError
from stepwell.execution import scheduling
from stepwell.pipelines import schedules
from stepwell.pipelines.models import Pipeline, Schedule, Snapshot
from stepwell.web import confirm, forms, option_forms, present, schedule_forms, schedule_rows, undo
from stepwell.web.access import get_pipeline_or_404, needs
from stepwell.web.caller import address, own_path
from stepwell.web.request import WebRequest, record_run_act, render_page
from stepwell.web.rerun import form_key
from stepwell.web.schedule_forms import ScheduleForm

PAGE_ROWS = 50
_FIRES_SHOWN = 30
_TIMES_SHOWN = 5
_PIPELINES_SHOWN = 500


@require_safe
@needs(Role.VIEWER)
def schedule_list(request: WebRequest) -> HttpResponse:
    """List the schedules by name."""
    after = request.GET.get("after", "").replace("\0", "")[:255]
    rows, more = schedule_rows.schedule_rows(limit=PAGE_ROWS, after=after)
    context = {
        "rows": rows,
        "after": after,
        "next_url": present.query(after=more),
        "can_operate": request.user.may(Role.OPERATOR),
    }
    return render_page(request, "schedules/list.html", context)


@require_safe
@needs(Role.VIEWER)
def detail(request: WebRequest, schedule: UUID) -> HttpResponse:
    """Show a schedule: when it fires next, what it gives its runs, what came of its times."""
    row = _get(schedule)
    before = as_uuid(request.GET.get("before", ""))
    fires, more = schedule_rows.fire_rows(row, limit=_FIRES_SHOWN, before=before)
    problem = scheduling.problem_of(row)
    try:
        rule, words = schedule_rows.rule_of(row.timing, timezone.get_current_timezone())
        times = schedule_rows.time_rows(scheduling.next_times(row, count=_TIMES_SHOWN), zone=row.zone)
    except ConfigError as exc:
        problem, rule, words, times = str(exc), row.cron, "", []
    context = {
        "schedule": row,
        "state": schedule_rows.state_of(row, problem=problem),
        "rule": rule,
        "words": words,
        "problem": problem,
        "is_late": schedule_rows.is_late(row),
        "times": times,
        "own_zone": any(time.own for time in times),
        "parameters": [(name, present.value(value)) for name, value in row.parameters.items()],
        "options": schedule_rows.option_rows(row) if request.user.may(Role.OPERATOR) else [],
        "fires": fires,
        "older_url": present.query(before=more),
        "can_operate": request.user.may(Role.OPERATOR),
        "form_key": str(new_id()),
    }
    return render_page(request, "schedules/detail.html", context, fragments={"schedule-fires"})


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def create(request: WebRequest) -> HttpResponse:
    """Ask for the pipeline, then show its form; on POST store the schedule when everything fits."""
    slug = (request.POST if request.method == "POST" else request.GET).get("pipeline", "")
    if not slug:
        names = Pipeline.objects.order_by("name").values_list("slug", "name")[:_PIPELINES_SHOWN]
        return render_page(request, "schedules/choose.html", {"pipelines": list(names)})
    return _edit(request, get_pipeline_or_404(request, slug), None)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def edit(request: WebRequest, schedule: UUID) -> HttpResponse:
    """Show the form that holds a schedule; on POST change it when everything fits."""
    row = _get(schedule)
    return _edit(request, row.pipeline, row)


@require_POST
@needs(Role.OPERATOR)
def pause(request: WebRequest, schedule: UUID) -> HttpResponse:
    """Pause it, or with ``paused=no`` let it go on."""
    row = _get(schedule)
    wants_pause = request.POST.get("paused") != "no"
    told = f"{row.name} is {'paused' if wants_pause else 'on'}."
    if wants_pause == row.is_paused:
        messages.info(request, told)
    else:
        (schedules.pause if wants_pause else schedules.resume)(row)
        _record(request, "schedule.paused" if wants_pause else "schedule.resumed", row)
        here, onwards = reverse("schedules:pause", args=[row.id]), request.POST.get("next", "")
        undo.offer(request, told, here, paused="no" if wants_pause else "yes", next=onwards)
    if "next" in request.POST:
        return redirect(own_path(request.POST["next"]))
    return redirect("schedules:detail", row.id)


@require_POST
@needs(Role.OPERATOR)
def run_now(request: WebRequest, schedule: UUID) -> HttpResponse:
    """Start a run with what the schedule gives."""
    row = _get(schedule)
    try:
        with transaction.atomic():
            run = scheduling.run_now(row, by=request.user, idempotency_key=form_key(request))
            record_run_act(request, "run.started", run, schedule=row.name)
    except StepwellError as exc:
        messages.error(request, str(exc))
        return redirect("schedules:detail", row.id)
    messages.success(request, f"Run #{run.number} was started.")
    return redirect("runs:detail", run.number)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def backfill(request: WebRequest, schedule: UUID) -> HttpResponse:
    """Show which runs a range of past days would get; on POST start them."""
    row = _get(schedule)
    sent = request.POST if request.method == "POST" else request.GET
    asked = {name: sent.get(name, "")[:10] for name in ("first", "last")}
    context: dict[str, Any] = {"schedule": row, "asked": asked, "refused": "", "preview": None}
    if not any(asked.values()) and request.method != "POST":
        return render_page(request, "schedules/backfill.html", context)
    try:
        days = {name: _day(text) for name, text in asked.items()}
        if request.method == "POST":
            runs = scheduling.backfill(row, **days)
            _record(request, "schedule.backfilled", row, **asked, runs=len(runs))
            messages.success(request, f"{present.count(len(runs), 'run')} started.")
            return redirect("schedules:detail", row.id)
        preview = scheduling.preview_backfill(row, **days)
        context |= {"preview": preview, "times": schedule_rows.time_rows(preview.times, zone=row.zone)}
        context["refused"] = scheduling.problem_of(row)
    except StepwellError as exc:
        context["refused"] = str(exc)
    return render_page(request, "schedules/backfill.html", context, status=422 if context["refused"] else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def delete(request: WebRequest, schedule: UUID) -> HttpResponse:
    """Ask, then delete the schedule; its runs stay."""
    row = _get(schedule)
    if request.method != "POST":
        return confirm.ask(
            request,
            f"Delete the schedule {row.name}?",
            will_happen=f"It starts no more runs of {row.pipeline.name}, and the list of its times is gone. "
            "The runs it started stay.",
            button=f"Delete {row.name}",
            crumbs=[
                ("Schedules", reverse("schedules:list")),
                (row.name, reverse("schedules:detail", args=[row.id])),
            ],
        )
    _record(request, "schedule.deleted", row)
    schedules.delete_schedule(row)
    messages.success(request, f"The schedule {row.name} is deleted.")
    return redirect("schedules:list")


def _edit(request: WebRequest, pipeline: Pipeline, row: Schedule | None) -> HttpResponse:
    snapshot = pipeline.newest_runnable or pipeline.newest_snapshot
    if snapshot is None:
        raise NotFound(f"{pipeline.name} has no registered code.", hint="Register its file: stepwell register FILE.")
    if request.method != "POST":
        form = schedule_forms.stored_form(row) if row else schedule_forms.empty_form(pipeline.name)
        return _form_page(request, pipeline, snapshot, row, form)
    kept = row.parsed_overrides if row else Overrides()
    form = schedule_forms.read_form(request.POST, snapshot, kept=kept)
    if request.htmx or "preview" in request.POST:
        return _form_page(request, pipeline, snapshot, row, form)
    stored = None if form.n_errors else _store(request, pipeline, row, form)
    if stored is None:
        return _form_page(request, pipeline, snapshot, row, form, status=422)
    messages.success(request, f"The schedule {stored.name} is {'changed' if row else 'stored'}.")
    return redirect("schedules:detail", stored.id)


def _store(request: WebRequest, pipeline: Pipeline, row: Schedule | None, form: ScheduleForm) -> Schedule | None:
    """Store what a form asks for; None when that is refused, which the form then says."""
    try:
        with transaction.atomic():
            stored = scheduling.make_schedule(
                schedule=row,
                pipeline=pipeline,
                name=form.values["name"],
                timing=form.timing,
                catchup=bool(form.values["catchup"]),
                parameters=form.parameters,
                overrides=form.overrides,
                by=request.user,
            )
            _record(request, "schedule.changed" if row else "schedule.created", stored, when=stored.timing.describe())
    except StepwellError as exc:
        form.errors["name" if "name" in (exc.details.get("fields") or {}) else "form"] = str(exc)
        return None
    return stored


def _form_page(
    request: WebRequest,
    pipeline: Pipeline,
    snapshot: Snapshot,
    row: Schedule | None,
    form: ScheduleForm,
    *,
    status: int = 200,
) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    schema = snapshot.parameters_schema
    values = {**forms.defaults(schema), **form.parameters}
    steps = schedule_forms.steps_of(snapshot, row.parsed_overrides if row else Overrides())
    times = form.timing.next_fires(schedules.db_now(), count=_TIMES_SHOWN) if form.timing else []
    context = {
        "pipeline": pipeline,
        "snapshot": snapshot,
        "schedule": row,
        "form": form,
        "values": form.values,
        "errors": form.errors,
        "zones": zone_names(),
        "times": schedule_rows.time_rows(times, zone=form.values["zone"] or "UTC"),
        "words": schedule_rows.rule_of(form.timing, timezone.get_current_timezone())[1] if form.timing else "",
        "fields": forms.parameter_fields(schema, values, posted=posted, errors=form.parameter_errors),
        "step_forms": option_forms.step_forms(steps, posted=posted, errors=form.option_errors),
    }
    return render_page(request, "schedules/form.html", context, fragments={"schedule-preview"}, status=status)


def _get(schedule: UUID) -> Schedule:
    return schedules.find_schedule(str(schedule))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"“{text}” is not a day.", hint="Write a day such as 2026-11-23.") from None


def _record(request: WebRequest, action: str, row: Schedule, **after: Any) -> None:
    audit.record(
        actor=request.user,
        action=action,
        object_kind="schedule",
        object_id=str(row.id),
        object_name=row.name,
        ip=address(request),
        after=after or None,
    )


urlpatterns = [
    path("schedules/", schedule_list, name="list"),
    path("schedules/new/", create, name="create"),
    path("schedules/<uuid:schedule>/", detail, name="detail"),
    path("schedules/<uuid:schedule>/edit/", edit, name="edit"),
    path("schedules/<uuid:schedule>/pause/", pause, name="pause"),
    path("schedules/<uuid:schedule>/runs/", run_now, name="run"),
    path("schedules/<uuid:schedule>/backfill/", backfill, name="backfill"),
    path("schedules/<uuid:schedule>/deletion/", delete, name="delete"),
]
