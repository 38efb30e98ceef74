"""The steps of a pipeline against its latest runs: how each went, and how long it took."""

from __future__ import annotations

import statistics
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from stepwell.core.durations import format_duration
from stepwell.core.status import StepKind
from stepwell.runs.models import Run, StepRun
from stepwell.web import present
from stepwell.web.run_page import step_url

#: steps the grid shows; a map's items would make it as long as the data
MOST_STEPS = 80
_BAR_HEIGHT = 22
_BAR_STEP = 6


@dataclass(frozen=True, slots=True)
class Cell:
    """One step in one run; ``url`` is empty where the run had no such step."""

    status: str
    icon: str
    url: str
    label: str


@dataclass(frozen=True, slots=True)
class Grid:
    """``runs``: (number, address, state), the oldest first; ``rows``: the steps in the order of the newest run."""

    runs: list[tuple[int, str, present.State]]
    rows: list[tuple[str, list[Cell]]]
    n_hidden: int


@dataclass(frozen=True, slots=True)
class StepDuration:
    """How long one step took of late; ``bars`` in pixels, the oldest first."""

    name: str
    usual: str
    last: str
    longest: str
    share: str
    bars: list[dict[str, Any]]
    width: int


def step_grid(runs: list[Run]) -> Grid:
    """Return the grid of ``runs``, which come newest first; one query."""
    steps = _steps(runs)
    names = _names(runs, steps)
    ordered = list(reversed(runs))
    heads = [(run.number, reverse("runs:detail", args=[run.number]), present.state(run.status)) for run in ordered]
    rows = [(name, [_cell(run, steps[run.pk].get(name)) for run in ordered]) for name in names[:MOST_STEPS]]
    return Grid(heads, rows, max(0, len(names) - MOST_STEPS))


def step_durations(runs: list[Run]) -> list[StepDuration]:
    """Return the steps of ``runs`` (newest first) with their durations, the longest first; one query."""
    steps = _steps(runs)
    found = []
    for name in _names(runs, steps)[:MOST_STEPS]:
        timed = [(run, row, _seconds(row)) for run in reversed(runs) if (row := steps[run.pk].get(name))]
        ran = [(run, row, seconds) for run, row, seconds in timed if seconds is not None and row["status"] != "cached"]
        if ran:
            found.append((name, ran))
    medians = {name: statistics.median(seconds for _, _, seconds in ran) for name, ran in found}
    total = sum(medians.values()) or 1.0
    rows = [_duration(name, ran, medians[name], total) for name, ran in found]
    return sorted(rows, key=lambda row: -medians[row.name])


def _duration(name: str, ran: list[Any], median: float, total: float) -> StepDuration:
    longest = max(seconds for _, _, seconds in ran)
    bars = []
    for index, (run, row, seconds) in enumerate(ran):
        height = max(3, round(_BAR_HEIGHT * seconds / (longest or 1)))
        bars.append(
            {
                "status": row["status"],
                "x": index * _BAR_STEP,
                "y": _BAR_HEIGHT - height,
                "height": height,
                "title": f"#{run.number}: {format_duration(seconds)}",
                "url": step_url(run, name),
            }
        )
    return StepDuration(
        name=name,
        usual=format_duration(median),
        last=format_duration(ran[-1][2]),
        longest=format_duration(longest),
        share=f"{100 * median / total:.0f} %",
        bars=bars,
        width=max(1, len(ran)) * _BAR_STEP,
    )


def _steps(runs: list[Run]) -> dict[uuid.UUID, dict[str, dict[str, Any]]]:
    columns = ("run_id", "invocation_id", "status", "started_at", "ended_at", "ordinal")
    found: dict[uuid.UUID, dict[str, dict[str, Any]]] = defaultdict(dict)
    steps = StepRun.objects.filter(run__in=[run.pk for run in runs], kind=StepKind.STEP).order_by("ordinal", "id")
    for row in steps.values(*columns):
        found[row["run_id"]][row["invocation_id"]] = row
    return found


def _names(runs: list[Run], steps: dict[uuid.UUID, dict[str, dict[str, Any]]]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in steps[run.pk]))


def _cell(run: Run, row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell("", "", "", "")
    state = present.state(row["status"])
    seconds = _seconds(row)
    took = f", {format_duration(seconds)}" if seconds is not None else ""
    url = step_url(run, row["invocation_id"])
    return Cell(row["status"], state.icon, url, f"#{run.number} {row['invocation_id']}: {state.word.lower()}{took}")


def _seconds(row: dict[str, Any]) -> float | None:
    started: datetime | None = row["started_at"]
    ended: datetime | None = row["ended_at"]
    return (ended - started).total_seconds() if started and ended else None
