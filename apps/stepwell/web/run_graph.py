"""The steps of a run as a graph: groups and maps are one box until opened, never more boxes than a page can bear."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.core import layers
from stepwell.core.status import StepKind, StepStatus
from stepwell.runs.models import Run, StepEdge, StepRun
from stepwell.web import graph_members, present, step_groups
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.pipeline_plan import line
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_rows import Segment
from stepwell.web.run_tabs import open_panel, run_context

logger = logging.getLogger(__name__)

#: boxes on one page, and steps of a group that are shown as boxes of their own
MOST_BOXES = 300
MOST_INSIDE = 60
_LABEL = 21
_MARGIN = 12
_DONE = frozenset({StepStatus.COMPLETED, StepStatus.CACHED})


@dataclass(frozen=True, slots=True)
class Cell:
    """What one box stands for."""

    key: str
    label: str
    kind: str
    members: tuple[StepRun, ...]

    @property
    def is_single(self) -> bool:
        return self.kind == "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One box as it is drawn."""

    key: str
    x: float
    y: float
    label: str
    title: str
    state: present.State
    url: str
    #: the step it stands for; empty for several
    step: str
    #: "950 ✓ 3 ✗ 47 …" for several
    counts: str
    segments: list[Segment]
    #: a click shows what is inside in its place
    opens: bool
    is_selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    nodes: list[Node]
    #: (path data, status of where it begins)
    edges: list[str]
    width: float
    height: float
    view_width: str
    view_height: str
    #: (label, address that closes it) of the groups that are open
    opened: list[tuple[str, str]]
    #: what boxes that are only parts of a large graph stand for
    parts: dict[str, list[UUID]]
    n_steps: int


@require_safe
@needs(Role.VIEWER)
def graph(request: WebRequest, ref: str) -> HttpResponse:
    """Draw the graph, with the panel of a step or the list of a group beside it."""
    run = get_run_or_404(request, ref)
    if request.GET.get("part") == "states":
        return JsonResponse({"cells": _states(run, request)})
    context = run_context(request, run, "graph")
    wanted, group = request.GET.get("step", ""), request.GET.get("group", "")
    try:
        steps = _steps(run)
        context["graph"] = _draw(run, steps, request, wanted)
    except Exception:
        # The picture is one of several ways to read a run: the rest of the page stays of use without it.
        logger.exception("The graph of run #%s could not be drawn.", run.number)
        context["graph"] = None
    context["panel"] = open_panel(request, run, wanted, page="graph")[0]
    inside = context["graph"].parts.get(group) if context["graph"] else None
    context["members"] = graph_members.read(run, group, request.GET, ids=inside) if group and not wanted else None
    context["graph_url"] = reverse("runs:graph", args=[run.number])
    context["live_query"] = "?part=head"
    context["legend"] = [present.state(status) for status in StepStatus]
    return render_page(request, "runs/graph.html", context, fragments={"run-graph"})


def _steps(run: Run) -> list[StepRun]:
    found = step_groups.with_groups(StepRun.objects.filter(run=run))
    columns = ("id", "run_id", "kind", "invocation_id", "name", "status", "call_id", "ordinal")
    # A driver is the pipeline itself, and no part of it.
    hidden = {StepKind.DRIVER, StepKind.PLAN}
    steps = list(found.only(*columns))
    return [step for step in steps if step.kind not in hidden or (len(steps) == 1 and step.status not in _DONE)]


def _draw(run: Run, steps: list[StepRun], request: WebRequest, wanted: str) -> Graph:
    keys = _open_keys(request)
    edges = _edges(run)
    cells = _cells(steps, edges, frozenset(keys))
    cell_of = {step.id: cell.key for cell in cells for step in cell.members}
    between = {(cell_of[up], cell_of[down]) for up, down in edges if up in cell_of and down in cell_of}
    joined = tuple(sorted((up, down) for up, down in between if up != down))
    drawing = layers.lay_out(tuple(cell.key for cell in cells), joined)
    labels = {group.key: group.name for step in steps if (group := step_groups.group_of(step))}
    return Graph(
        nodes=[_node(run, cell, drawing.boxes[cell.key], keys, wanted) for cell in cells],
        edges=[line(points) for _, _, points in drawing.paths],
        width=drawing.width + 2 * _MARGIN,
        height=drawing.height + 2 * _MARGIN,
        view_width=f"{drawing.width + 2 * _MARGIN:.0f}",
        view_height=f"{drawing.height + 2 * _MARGIN:.0f}",
        opened=[
            (labels.get(key, key), f"?{_query(open=','.join(other for other in keys if other != key))}") for key in keys
        ],
        parts={cell.key: [step.id for step in cell.members] for cell in cells if cell.kind == "part"},
        n_steps=len(steps),
    )


def _open_keys(request: WebRequest) -> list[str]:
    keys = [key for key in request.GET.get("open", "")[:2000].split(",") if key]
    return list(dict.fromkeys(keys))[:20]


def _edges(run: Run) -> list[tuple[UUID, UUID]]:
    found = StepEdge.objects.filter(downstream__run=run).order_by("id")
    return list(found.values_list("upstream_id", "downstream_id"))


def _cells(steps: list[StepRun], edges: list[tuple[UUID, UUID]], opened: frozenset[str]) -> list[Cell]:
    """Return the boxes: steps alone, groups that are closed; where there are too many, what looks alike together."""
    cells = _grouped(steps, lambda step: _own_group(step, opened))
    if len(cells) > MOST_BOXES:
        cells = _grouped(steps, lambda step: _own_group(step, opened) or _Alike("name", step.name))
    if len(cells) > MOST_BOXES:
        column = _columns(steps, edges)
        wide = -(-(max(column.values(), default=0) + 1) // (MOST_BOXES // 2))
        cells = _grouped(steps, lambda step: _Alike("part", str(column[step.id] // wide + 1)))
    return cells


@dataclass(frozen=True, slots=True)
class _Alike:
    """Steps put together only because there are too many of them."""

    kind: str
    name: str

    @property
    def key(self) -> str:
        return f"{'n' if self.kind == 'name' else 'p'}{self.name}"


def _own_group(step: StepRun, opened: frozenset[str]) -> step_groups.Group | None:
    group = step_groups.group_of(step)
    return None if group is None or group.key in opened else group


def _grouped(steps: list[StepRun], owner_of: Any) -> list[Cell]:
    owners: dict[Hashable, list[StepRun]] = defaultdict(list)
    for step in steps:
        owners[owner_of(step) or step].append(step)
    cells = []
    for owner, members in owners.items():
        if isinstance(owner, StepRun) or (isinstance(owner, _Alike) and len(members) == 1):
            step = members[0]
            cells.append(Cell(f"s{step.id.hex}", present.step_label(step.invocation_id), "step", (step,)))
        elif isinstance(owner, _Alike | step_groups.Group):
            label = f"part {owner.name}" if owner.kind == "part" else owner.name
            cells.append(Cell(owner.key, label, owner.kind, tuple(members)))
    return cells


def _columns(steps: list[StepRun], edges: list[tuple[UUID, UUID]]) -> dict[UUID, int]:
    """Return how many steps lie before each."""
    column = dict.fromkeys((step.id for step in steps), 0)
    below = defaultdict(list)
    for up, down in edges:
        below[up].append(down)
    for step in sorted(steps, key=lambda one: one.ordinal):
        for down in below[step.id]:
            if down in column:
                column[down] = max(column[down], column[step.id] + 1)
    return column


def _node(run: Run, cell: Cell, place: tuple[float, float], keys: list[str], wanted: str) -> Node:
    status, counts, parts = _standing(cell)
    opened = ",".join(keys)
    step = cell.members[0].invocation_id if cell.is_single else ""
    opens = cell.kind in {"group", "map", "product"} and len(cell.members) <= MOST_INSIDE
    if step:
        query = _query(step=step, open=opened)
    elif opens:
        query = _query(open=",".join([*keys, cell.key]))
    else:
        query = _query(group=cell.key, open=opened)
    label = cell.label if len(cell.label) <= _LABEL else f"{cell.label[: _LABEL - 1]}…"
    state = present.state(status)
    many = "" if step else f", {cell.kind} of {len(cell.members):,}: {counts}"
    return Node(
        key=cell.key,
        x=round(place[0], 1),
        y=round(place[1], 1),
        label=label,
        title=f"{cell.label}: {state.word.lower()}{many}",
        state=state,
        url=f"?{query}",
        step=step,
        counts=counts,
        segments=parts,
        opens=opens,
        is_selected=bool(step) and step == wanted,
    )


def _standing(cell: Cell) -> tuple[str, str, list[Segment]]:
    if cell.is_single:
        return cell.members[0].status, "", []
    statuses = [step.status for step in cell.members]
    tally = step_groups.tally(statuses)
    done = sum(status in _DONE for status in statuses)
    failed = sum(status == StepStatus.FAILED for status in statuses)
    rest = len(statuses) - done - failed
    shown = [f"{n:,} {mark}" for n, mark in ((done, "✓"), (failed, "✗"), (rest, "…")) if n]
    return tally.status, " ".join(shown), tally.segments


def _query(**values: str) -> str:
    return present.query(**values).removeprefix("?")


def _states(run: Run, request: WebRequest) -> list[list[Any]]:
    """Return (key, status, word, icon, counts, [[status, x, width]]) of every box, for a page that is open."""
    cells = _cells(_steps(run), _edges(run), frozenset(_open_keys(request)))
    found = []
    for cell in cells:
        status, counts, parts = _standing(cell)
        state = present.state(status)
        bars = [[part.status, part.x, part.width] for part in parts]
        found.append([cell.key, status, state.word, state.icon, counts, bars])
    return found


urlpatterns = [path("runs/<str:ref>/graph/", graph, name="graph")]
