"""The rows of a comparison: one fact of every run beside the others, by part of the run."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stepwell.artifacts.models import StepArtifact
from stepwell.core.durations import format_duration
from stepwell.core.status import StepKind, StepStatus
from stepwell.runs.models import Run, StepRun
from stepwell.web import present

SECTIONS = ("Parameters", "Options", "Code", "Environment", "Results", "Timing", "Artifacts", "Metadata")
_NOTHING = "–"
#: durations this close are the same: a share of the longer one, and seconds
_NOISE, _NOISE_SECONDS = 0.1, 0.5
_MOST_ROWS = 2000
_MOST_DIFF_LINES = 400
_RAN = frozenset(StepStatus) - {StepStatus.CACHED, StepStatus.SKIPPED, StepStatus.PENDING}
#: options that are told elsewhere, or are no choice of a person
_NOT_COMPARED = frozenset({"hooks", "group", "model"})


Steps = Mapping[Any, list[StepRun]]


@dataclass(frozen=True, slots=True)
class Row:
    """``cells``: one text per run; ``marks``: which of them differ from the first run's."""

    section: str
    name: str
    cells: tuple[str, ...]
    marks: tuple[bool, ...]

    @property
    def differs(self) -> bool:
        return any(self.marks)

    @property
    def pairs(self) -> list[tuple[str, bool]]:
        return list(zip(self.cells, self.marks, strict=True))


@dataclass(frozen=True, slots=True)
class Diff:
    """How the source of one step, or of the pipeline function, changed from the first run to another."""

    name: str
    number: int
    lines: list[tuple[str, str]]


def rows(runs: list[Run], steps: Steps) -> list[Row]:
    """Return every row of a comparison; one query however many runs."""
    made = [
        *_table("Parameters", [run.parameters for run in runs]),
        *_table("Options", [_options(run, steps[run.pk]) for run in runs]),
        *_table("Code", [_code(run) for run in runs]),
        *_table("Environment", [_packages(run) for run in runs]),
        *_table("Results", [_results(run, steps[run.pk]) for run in runs]),
        *_timing(runs, steps),
        *_table("Artifacts", _artifacts(runs)),
        *_table("Metadata", [_metadata(run, steps[run.pk]) for run in runs]),
    ]
    return made[:_MOST_ROWS]


def by_section(found: list[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows under the names of their parts, in the order of ``SECTIONS``."""
    parts = {section: [row for row in found if row.section == section] for section in SECTIONS}
    return [(section, part) for section, part in parts.items() if part]


def code_diffs(runs: list[Run], steps: Steps) -> list[Diff]:
    """Return line by line how code differs between the first run and each of the others."""
    sources = [_sources(run, steps[run.pk]) for run in runs]
    diffs = []
    for run, source in zip(runs[1:], sources[1:], strict=True):
        for name in dict.fromkeys([*sources[0], *source]):
            before, after = sources[0].get(name, ""), source.get(name, "")
            if before != after:
                diffs.append(Diff(name, run.number, list(_diff_lines(before, after))))
    return diffs


def _diff_lines(before: str, after: str) -> Iterator[tuple[str, str]]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    for index, line in enumerate(lines):
        if index >= _MOST_DIFF_LINES:
            yield "", "…"
            return
        if index >= 2:
            yield {"+": "ins", "-": "del", "@": "faint"}.get(line[:1], ""), line


def read_steps(runs: list[Run]) -> Steps:
    """Return the steps of each run, by the run's id."""
    found: dict[Any, list[StepRun]] = defaultdict(list)
    steps = StepRun.objects.filter(run__in=runs, kind=StepKind.STEP).order_by("ordinal", "id")
    for step in steps:
        found[step.run_id].append(step)
    return found


def _table(section: str, columns: list[dict[str, Any]]) -> list[Row]:
    names = dict.fromkeys(name for column in columns for name in column)
    made = []
    for name in names:
        cells = tuple(present.value(column[name], limit=300) if name in column else _NOTHING for column in columns)
        made.append(Row(section, name, cells, tuple(cell != cells[0] for cell in cells)))
    return made


def _options(run: Run, steps: list[StepRun]) -> dict[str, Any]:
    told: dict[str, Any] = {"execution mode": str(run.execution_mode).replace("_", " ")}
    for step in steps:
        for name, value in step.plan.get("options", {}).items():
            if name not in _NOT_COMPARED:
                told |= _flat(f"{step.invocation_id} · {name}", value)
    return told


def _flat(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {} if value in (None, []) else {name: value}
    return {key: inner for part, one in value.items() for key, inner in _flat(f"{name}.{part}", one).items()}


def _sources(run: Run, steps: list[StepRun]) -> dict[str, str]:
    sources = {"pipeline function": str(run.snapshot.spec.get("source_code") or "")}
    return sources | {step.name: str(step.plan.get("source_code") or "") for step in steps}


def _code(run: Run) -> dict[str, Any]:
    kept = run.snapshot.code_hash[:12] or "not kept"
    # Which lines differ stands below the table.
    return {"code": f"{run.snapshot.number} ({kept})", "commit": run.snapshot.git_commit[:12] or _NOTHING}


def _packages(run: Run) -> dict[str, str]:
    lines = (line.partition("==") for line in run.snapshot.environment.splitlines())
    return {name: version for name, equals, version in lines if equals}


def _results(run: Run, steps: list[StepRun]) -> dict[str, Any]:
    states = {step.invocation_id: present.state(step.status).word.lower() for step in steps}
    return {"run": present.state(run.status).word.lower(), **states}


def _timing(runs: list[Run], steps: Steps) -> list[Row]:
    columns = []
    for run in runs:
        seconds = {"run": run.took_seconds if run.is_finished else None}
        for step in steps[run.pk]:
            # What was not run has no time of its own: its state says so already.
            if step.status in _RAN:
                span = present.span(step.started_at, step.ended_at) if step.ended_at else None
                seconds[step.invocation_id] = span.seconds if span else None
        columns.append(seconds)
    names = dict.fromkeys(name for column in columns for name in column)
    return [_timed(name, columns) for name in names]


def _timed(name: str, columns: list[dict[str, float | None]]) -> Row:
    base = next((column[name] for column in columns if name in column), None)
    cells, marks = [], []
    for column in columns:
        value = column.get(name)
        same = name not in column or _is_close(base, value)
        text = _NOTHING if value is None else format_duration(value)
        if not same and value is not None and base:
            text += f" ({100 * (value - base) / base:+,.0f} %)"
        cells.append(text)
        marks.append(not same)
    return Row("Timing", name, tuple(cells), tuple(marks))


def _is_close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= max(_NOISE_SECONDS, _NOISE * max(one, other))


def _artifacts(runs: list[Run]) -> list[dict[str, Any]]:
    by_run: dict[Any, dict[str, Any]] = {run.pk: {} for run in runs}
    links = StepArtifact.objects.filter(step_run__run__in=runs, direction=StepArtifact.Direction.OUTPUT)
    columns = ("name", "step_run__run_id", "step_run__invocation_id")
    version = ("artifact_version__sha256", "artifact_version__size", "artifact_version__metadata")
    for name, run_id, step, sha256, size, metadata in links.order_by("id").values_list(*columns, *version):
        told = by_run[run_id]
        told[f"{step}.{name}"] = f"{sha256[:12]}, {present.size(size)}"
        told |= _scalars(f"{step}.{name}", metadata)
    return list(by_run.values())


def _metadata(run: Run, steps: list[StepRun]) -> dict[str, Any]:
    told = _scalars("run", run.metadata)
    for step in steps:
        told |= _scalars(step.invocation_id, step.metadata)
    return told


def _scalars(prefix: str, metadata: Any) -> dict[str, Any]:
    flat = _flat(prefix, metadata) if isinstance(metadata, dict) else {}
    return {name.replace(f"{prefix}.", f"{prefix} · ", 1): value for name, value in flat.items()}
