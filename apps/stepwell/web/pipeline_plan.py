"""A pipeline as its newest code plans it: the graph of its steps, and the options they have by default."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from stepwell.accounts.models import InstanceSettings, Role
from stepwell.core import layers
from stepwell.core.plan import PlannedStep
from stepwell.execution import planning
from stepwell.pipelines.models import Snapshot
from stepwell.web import forms, panel_parts
from stepwell.web.access import get_pipeline_or_404, needs
from stepwell.web.pipeline_context import pipeline_context
from stepwell.web.pipeline_rows import latest_runs
from stepwell.web.request import WebRequest, render_page

#: boxes of one drawing, and steps of one page of options
MOST_BOXES = 300
_PAGE = 50
_LABEL = 21
_MARGIN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One step, or the steps of one name."""

    label: str
    title: str
    x: float
    y: float
    n_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanGraph:
    boxes: list[Box]
    edges: list[str]
    width: int
    height: int
    n_steps: int


@require_safe
@needs(Role.VIEWER)
def graph(request: WebRequest, slug: str) -> HttpResponse:
    """Draw the steps of the newest code, before anything ran."""
    pipeline = get_pipeline_or_404(request, slug)
    newest = pipeline.newest_snapshot
    latest = latest_runs([pipeline.pk])[pipeline.pk]
    steps = planned_steps(newest)
    context = {
        **pipeline_context(request, pipeline, newest, latest, tab="graph"),
        "graph": draw(steps) if steps else None,
        "newest": newest,
        "latest_run": latest[0] if latest else None,
    }
    return render_page(request, "pipelines/graph.html", context)


@require_safe
@needs(Role.VIEWER)
def defaults(request: WebRequest, slug: str) -> HttpResponse:
    """Show what a run takes unless it is told otherwise: parameters, and every step's options with their origin."""
    pipeline = get_pipeline_or_404(request, slug)
    newest = pipeline.newest_snapshot
    latest = latest_runs([pipeline.pk])[pipeline.pk]
    wanted, everything = request.GET.get("q", "")[:200], "all" in request.GET
    steps = [step for step in planned_steps(newest) if wanted.lower() in step.invocation_id.lower()]
    schema = newest.parameters_schema if newest else {}
    context = {
        **pipeline_context(request, pipeline, newest, latest, tab="defaults"),
        "fields": forms.parameter_fields(schema, forms.defaults(schema)),
        "steps": [_options(step, everything=everything) for step in steps[:_PAGE]],
        "n_more": max(0, len(steps) - _PAGE),
        "wanted": wanted,
        "everything": everything,
        "newest": newest,
    }
    return render_page(request, "pipelines/defaults.html", context)


def planned_steps(snapshot: Snapshot | None) -> list[PlannedStep]:
    """Return the steps known without running it: none of a dynamic pipeline, or where a parameter has no default.

    They have the options that the settings give them now.
    """
    plan = snapshot.compiled.plan if snapshot else None
    options = planning.instance_options(InstanceSettings.load())
    return [planning.with_instance_defaults(step, options) for step in plan.steps] if plan else []


def draw(steps: list[PlannedStep]) -> PlanGraph:
    """Return where each step stands; with too many, those of one name are one box."""
    by_name = len(steps) > MOST_BOXES
    key_of = {step.invocation_id: step.name if by_name else step.invocation_id for step in steps}
    members: dict[str, list[PlannedStep]] = {}
    for step in steps:
        members.setdefault(key_of[step.invocation_id], []).append(step)
    keys = tuple(members)[:MOST_BOXES]
    between = {(key_of[up], key_of[step.invocation_id]) for step in steps for up in step.upstream if up in key_of}
    shown = set(keys)
    drawing = layers.lay_out(
        keys, tuple(sorted((up, down) for up, down in between if up != down and {up, down} <= shown))
    )
    return PlanGraph(
        boxes=[_box(key, members[key], drawing.boxes[key]) for key in keys],
        edges=[line(points) for _, _, points in drawing.paths],
        width=round(drawing.width + 2 * _MARGIN),
        height=round(drawing.height + 2 * _MARGIN),
        n_steps=len(steps),
    )


def _box(key: str, members: list[PlannedStep], place: tuple[float, float]) -> Box:
    label = key if len(key) <= _LABEL else f"{key[: _LABEL - 1]}…"
    told = (members[0].docstring or "").strip().partition("\n")[0]
    title = ": ".join(part for part in (key, told) if part)
    return Box(label=label, title=title, x=round(place[0], 1), y=round(place[1], 1), n_steps=len(members))


def line(points: tuple[tuple[float, float], ...]) -> str:
    """Return the points as a line of SVG, bent where it goes from column to column."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x1, y1), (x2, y2) in pairwise(points):
        if abs(y1 - y2) < 0.5:
            parts.append(f"L{x2:.1f} {y2:.1f}")
        else:
            middle = (x1 + x2) / 2
            parts.append(f"C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
    return "".join(parts)


def _options(step: PlannedStep, *, everything: bool) -> dict[str, Any]:
    options = panel_parts.planned_options(step.model_dump(mode="json"))
    chosen = [fact for fact in options if fact.note != "default"]
    shown = options if everything else chosen
    return {"name": step.invocation_id, "options": shown, "n_default": len(options) - len(chosen)}


urlpatterns = [
    path("pipelines/<str:slug>/graph/", graph, name="graph"),
    path("pipelines/<str:slug>/defaults/", defaults, name="defaults"),
]
