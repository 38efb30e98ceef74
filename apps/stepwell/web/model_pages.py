"""Models, their versions, and the form that promotes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from stepwell.accounts import audit
from stepwell.accounts.models import Role
from stepwell.artifacts import model_actions, model_queries
from stepwell.artifacts.models import Model, ModelVersion, StageChange
from stepwell.core.stages import SETTABLE_STAGES, SINGLE_STAGES
from stepwell.core.wire_models import ModelFilters, ModelVersionFilters
from stepwell.errors import StepwellError
from stepwell.execution import model_reading
from stepwell.runs.models import Run
from stepwell.web import present, undo
from stepwell.web.access import needs
from stepwell.web.caller import address
from stepwell.web.panel_parts import ArtifactRow, Fact, artifact_row
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_rows import listed, run_rows

PAGE_ROWS = 40
_RUNS_SHOWN = 20
_ARTIFACTS_SHOWN = 200
_MOVES_SHOWN = 100
_ABOUT_LABELS = {
    "audience": "Audience",
    "use_cases": "Use cases",
    "limitations": "Limitations",
    "trade_offs": "Trade-offs",
    "ethics": "Ethics",
}
#: stages as the page colours them
_STATUS = {"production": "completed", "staging": "cached", "archived": "skipped", "none": "pending"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMark:
    """A stage and the version that is in it."""

    stage: str
    status: str
    version: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    version: str
    url: str
    number: int
    stage: str
    status: str
    created: present.Moment | None
    runs: list[tuple[int, str]]


@require_safe
@needs(Role.VIEWER)
def model_list(request: WebRequest) -> HttpResponse:
    """List the models by name."""
    after = request.GET.get("after", "").replace("\0", "")[:255]
    text = request.GET.get("text", "").replace("\0", "").strip()[:255]
    found = model_reading.list_models(ModelFilters(name=text or None, cursor=after or None, limit=PAGE_ROWS))
    rows = [
        {
            "model": one,
            "url": reverse("models:detail", args=[one.name]),
            "latest_url": _version_url(one.name, one.latest_version) if one.latest_version else "",
            "marks": _marks(one.name, one.stages),
        }
        for one in found.items
    ]
    next_url = present.query(after=found.next_cursor, text=text) if found.next_cursor else ""
    context = {"rows": rows, "after": after, "text": text, "next_url": next_url}
    return render_page(request, "models/list.html", context)


@require_safe
@needs(Role.VIEWER)
def detail(request: WebRequest, name: str) -> HttpResponse:
    """Show a model: what it is, and its versions, newest first."""
    model = model_queries.get_model(name)
    before = request.GET.get("before", "")
    cursor = int(before) if before.isascii() and before.isdigit() and 0 < len(before) < 10 else None
    page = model_reading.list_versions(model, ModelVersionFilters(cursor=cursor or None, limit=PAGE_ROWS))
    about = model_reading.model_detail(model)
    context = {
        "model": model,
        "n_versions": about.n_versions,
        "marks": _marks(model.name, about.stages),
        "facts": _about(model),
        "rows": _version_rows(model, [row.number for row in page.items]),
        "before": before,
        "next_url": present.query(before=page.next_cursor),
        "first_url": reverse("models:detail", args=[model.name]),
    }
    return render_page(request, "models/detail.html", context)


@require_safe
@needs(Role.VIEWER)
def version(request: WebRequest, name: str, version: str) -> HttpResponse:
    """Show a version: what belongs to it, who moved it, and for operators the form that promotes it."""
    return _version_page(request, model_queries.get_version(model_queries.get_model(name), version))


@require_POST
@needs(Role.OPERATOR)
def promotion(request: WebRequest, name: str, version: str) -> HttpResponse:
    """Move a version to another stage; then the version named by ``back`` to the stage this one leaves."""
    found = model_queries.get_version(model_queries.get_model(name), version)
    stage, force = request.POST.get("stage", ""), request.POST.get("force") == "on"
    reason = request.POST.get("reason", "").replace("\0", "").strip()[:500]
    held = found.model.versions.filter(stage=stage, stage__in=SINGLE_STAGES).exclude(pk=found.pk).first()
    try:
        with transaction.atomic():
            _move(request, found, stage, force=force, reason=reason)
            if request.POST.get("back"):
                _move(request, model_queries.get_version(found.model, request.POST["back"]), found.stage, reason=reason)
    except StepwellError as exc:
        return _version_page(request, found, refused=exc)
    fields = {"stage": str(found.stage), "reason": "Taken back."}
    if held:
        fields["back"] = held.name
    elif request.POST.get("back"):
        fields["force"] = "on"
    here = reverse("models:promotion", args=[found.model.name, found.name])
    undo.offer(request, f"Version {found.name} of {found.model.name}: stage {stage}.", here, **fields)
    return redirect(_version_url(found.model.name, found.name))


def _move(request: WebRequest, version: ModelVersion, stage: str, *, reason: str, force: bool = False) -> None:
    moved = model_actions.set_stage(version, stage, force=force, by=request.user, reason=reason)
    audit.record(
        actor=request.user,
        action="model.promoted",
        object_kind="model_version",
        object_id=version.id,
        object_name=str(version),
        ip=address(request),
        before={"stage": str(version.stage)},
        after={"stage": str(moved.stage)},
    )


def _version_page(request: WebRequest, found: ModelVersion, *, refused: StepwellError | None = None) -> HttpResponse:
    posted = request.POST if refused else None
    artifacts = _artifacts(found)
    context: dict[str, Any] = {
        "version": found,
        "model": found.model,
        "model_url": reverse("models:detail", args=[found.model.name]),
        "promotion_url": reverse("models:promotion", args=[found.model.name, found.name]),
        "status": _STATUS[found.stage],
        "created": present.moment(found.created_at),
        "artifacts": artifacts[:_ARTIFACTS_SHOWN],
        "n_artifacts_hidden": max(0, len(artifacts) - _ARTIFACTS_SHOWN),
        "facts": [Fact(name, present.value(value)) for name, value in sorted(found.metadata.items())],
        "runs": run_rows(list(listed(model_reading.runs_of(found))[:_RUNS_SHOWN])),
        "moves": _moves(found),
        "stages": [str(stage) for stage in SETTABLE_STAGES],
        "can_operate": request.user.may(Role.OPERATOR),
        "chosen": posted.get("stage", "") if posted else str(found.stage),
        "reason": posted.get("reason", "") if posted else "",
        "problem": refused.message if refused else "",
        "is_taken": isinstance(refused, model_actions.StageTaken),
    }
    return render_page(request, "models/version.html", context, status=refused.status if refused else 200)


def _artifacts(version: ModelVersion) -> list[tuple[str, ArtifactRow]]:
    links = version.artifact_links.select_related("artifact_version__artifact").order_by("-id")
    return [
        (link.artifact_version.kind or "data", artifact_row(link.name, link.artifact_version))
        for link in links[: _ARTIFACTS_SHOWN + 1]
    ]


def _moves(version: ModelVersion) -> list[tuple[StageChange, present.Moment | None, str]]:
    moves = version.stage_changes.select_related("run").order_by("-id")[:_MOVES_SHOWN]
    return [
        (move, present.moment(move.at), reverse("runs:detail", args=[move.run.number]) if move.run else "")
        for move in moves
    ]


def _about(model: Model) -> list[Fact]:
    facts = [Fact("License", model.license)] if model.license else []
    return [*facts, *(Fact(label, model.about[name]) for name, label in _ABOUT_LABELS.items() if model.about.get(name))]


def _marks(name: str, stages: dict[str, str]) -> list[StageMark]:
    return [
        StageMark(stage=stage, status=_STATUS[stage], version=version, url=_version_url(name, version))
        for stage, version in sorted(stages.items())
    ]


def _version_rows(model: Model, numbers: list[int]) -> list[VersionRow]:
    versions = list(model.versions.filter(number__in=numbers).order_by("-number"))
    runs: dict[Any, list[tuple[int, str]]] = {}
    links = Run.objects.filter(model_links__model_version__in=versions).order_by("-id").distinct()
    for number, version_id in links.values_list("number", "model_links__model_version_id"):
        runs.setdefault(version_id, []).append((number, reverse("runs:detail", args=[number])))
    return [
        VersionRow(
            version=one.name,
            url=_version_url(model.name, one.name),
            number=one.number,
            stage=one.stage,
            status=_STATUS[one.stage],
            created=present.moment(one.created_at),
            runs=runs.get(one.id, [])[:3],
        )
        for one in versions
    ]


def _version_url(name: str, version: str) -> str:
    return reverse("models:version", args=[name, version])


urlpatterns = [
    path("models/", model_list, name="list"),
    path("models/<str:name>/", detail, name="detail"),
    path("models/<str:name>/<str:version>/", version, name="version"),
    path("models/<str:name>/<str:version>/stage/", promotion, name="promotion"),
]
