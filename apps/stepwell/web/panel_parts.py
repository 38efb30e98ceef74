"""What the tabs of a step's panel show: its data, options, code and details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from stepwell.artifacts import model_actions
from stepwell.artifacts.models import ArtifactVersion, StepArtifact
from stepwell.core.durations import format_duration
from stepwell.runs.models import Attempt, Run, RunEvent, StepRun
from stepwell.stacks.links import METADATA_KEY, tracked_run
from stepwell.web import highlight, present

_HIDDEN_OPTIONS = frozenset({"hooks", "group", "step_type"})
_SHORT_HASH = 12


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str
    note: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRow:
    name: str
    url: str
    artifact: str
    version: str
    type: str
    size: str
    sha256: str
    #: (label, address)
    views: list[tuple[str, str]]


def data(step: StepRun) -> dict[str, Any]:
    """Return inputs, the artifacts that went in and came out, metadata and its run in an experiment tracker."""
    rows: dict[str, list[ArtifactRow]] = {StepArtifact.Direction.INPUT: [], StepArtifact.Direction.OUTPUT: []}
    links = StepArtifact.objects.filter(step_run=step).select_related("artifact_version__artifact").order_by("id")
    for link in links:
        rows[link.direction].append(artifact_row(link.name, link.artifact_version))
    return {
        "inputs": inputs(step.plan),
        "input_artifacts": rows[StepArtifact.Direction.INPUT],
        "output_artifacts": rows[StepArtifact.Direction.OUTPUT],
        "metadata": _metadata(step),
        "tracked": _tracked(step),
    }


def code(step: StepRun) -> dict[str, Any]:
    """Return the step's docstring and its source as coloured lines."""
    source = step.plan.get("source_code") or ""
    return {"docstring": step.plan.get("docstring") or "", "source_lines": highlight.python_lines(source)}


def _metadata(step: StepRun) -> list[Fact]:
    shown = {
        key: value for key, value in step.metadata.items() if key != METADATA_KEY or tracked_run(step.metadata) is None
    }
    return [Fact(str(key), present.value(value)) for key, value in shown.items()]


def _tracked(step: StepRun) -> list[Fact]:
    found = tracked_run(step.metadata)
    if found is None:
        return []
    # Without a page of its own the place is what a person needs to open it.
    run = Fact("Run", found.run_id, "" if found.url else f"in {found.place}", found.url)
    return [run, Fact("Experiment", found.experiment), Fact("Tracker", found.tracker, found.flavor)]


def process(attempt: Attempt) -> list[Fact]:
    """Return where an attempt ran and what it took."""
    facts = []
    if attempt.host:
        facts.append(Fact("Host", f"{attempt.host}, process {attempt.pid}" if attempt.pid else attempt.host))
    if attempt.cpu_seconds is not None:
        facts.append(Fact("Processor time", format_duration(attempt.cpu_seconds)))
    if attempt.peak_memory_bytes:
        facts.append(Fact("Most memory", present.size(attempt.peak_memory_bytes)))
    if attempt.exit_code:
        facts.append(Fact("Exit code", str(attempt.exit_code)))
    if attempt.signal:
        facts.append(Fact("Signal", str(attempt.signal)))
    return facts


def options(step: StepRun) -> list[Fact]:
    """Return the options the step runs with, each with the layer it came from; those somebody chose first."""
    facts = plain_options(step)
    if version := model_actions.version_of(step):
        url = reverse("models:version", args=[version.model.name, version.name])
        origin = step.plan.get("origins", {}).get("model", "default")
        linked = Fact("model", str(version), origin, url)
        facts = [linked if fact.label == "model" else fact for fact in facts]
    return facts


def plain_options(step: StepRun) -> list[Fact]:
    """Return the options as they are planned, without asking the database."""
    return planned_options(step.plan)


def planned_options(plan: dict[str, Any]) -> list[Fact]:
    """Return the options of a planned step, those that were set first."""
    origins = plan.get("origins", {})
    planned = plan.get("options", {})
    facts = [
        Fact(name, option_text(name, value), origins.get(name, "default"))
        for name, value in planned.items()
        if name not in _HIDDEN_OPTIONS
    ]
    facts += [
        Fact(name, str(hook), origins.get(name, "step")) for name, hook in (planned.get("hooks") or {}).items() if hook
    ]
    return sorted(facts, key=lambda fact: fact.note == "default")


def option_text(name: str, value: Any) -> str:
    """Return the value of a step option in words."""
    if name == "retry" and isinstance(value, dict):
        retries = int(value.get("max_retries", 0))
        wait = format_duration(value.get("delay") or 0) if value.get("delay") else "at once"
        backoff = value.get("backoff") or 1
        return f"{present.count(retries, 'retry', 'retries')}, {wait}{f' × {backoff:g}' if backoff != 1 else ''}"
    if name == "timeout":
        return format_duration(value) if value else "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, dict) and value.keys() == {"name"}:
        return str(value["name"])
    return present.value(value)


def inputs(plan: dict[str, Any]) -> list[Fact]:
    """Return the inputs of a planned step and where each comes from."""
    return [Fact(name, _binding(binding)) for name, binding in plan.get("inputs", {}).items()]


def _binding(binding: dict[str, Any]) -> str:
    kind = binding.get("kind")
    if kind == "output":
        return f"{binding.get('name')} of {binding.get('step')}"
    if kind == "linked":
        return f"{binding.get('name')} of the model {binding.get('model', {}).get('name', '')}"
    if kind == "artifact":
        return "a stored artifact"
    if kind in {"list", "tuple"}:
        return ", ".join(_binding(item) for item in binding.get("items", [])[:20]) or "nothing"
    if kind == "dict":
        entries = list(binding.get("entries", {}).items())[:20]
        return ", ".join(f"{name}: {_binding(entry)}" for name, entry in entries) or "nothing"
    return present.value(binding.get("value"))


def artifact_row(name: str, version: ArtifactVersion) -> ArtifactRow:
    """Return an artifact version as pages print it."""
    views = [
        (str(item.get("kind", "view")), reverse("artifacts:visualization", args=[version.id, item["file"]]))
        for item in version.visualizations
        if item.get("file")
    ]
    return ArtifactRow(
        name=name,
        url=reverse("artifacts:version", args=[version.id]),
        artifact=version.artifact.name,
        version=version.version,
        type=version.type,
        size=present.size(version.size),
        sha256=version.sha256[:_SHORT_HASH],
        views=views,
    )


def hooks(run: Run, step: StepRun) -> list[Fact]:
    """Return which hooks of the step ran, and how that went."""
    events = RunEvent.objects.filter(run=run, kind="hook", payload__step=str(step.id)).order_by("seq")
    facts = []
    for event in events[:50]:
        told = event.payload
        seconds = told.get("seconds")
        took = f" in {format_duration(seconds)}" if isinstance(seconds, int | float) else ""
        text = f"ran{took}" if told.get("ok") else f"failed{took}: {told.get('error') or 'no reason given'}"
        facts.append(Fact(str(told.get("hook", "hook")), text, "" if told.get("ok") else "failed"))
    return facts
