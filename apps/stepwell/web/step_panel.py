"""The panel of one step: its attempts, log, options, artifacts, hooks, and why it ran or was reused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.urls import reverse

from stepwell.artifacts import model_actions
from stepwell.artifacts.models import ArtifactVersion, StepArtifact
from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus, StepStatus
from stepwell.runs.models import Attempt, Run, RunEvent, StepRun
from stepwell.stacks.links import METADATA_KEY, tracked_run
from stepwell.web import log_view, present
from stepwell.web.progress import Progress, read_progress
from stepwell.web.run_page import log_url, step_url

_HIDDEN_OPTIONS = frozenset({"hooks", "group", "step_type"})
_SHORT_HASH = 12


@dataclass(frozen=True, slots=True)
class Tab:
    number: int
    url: str
    state: present.State
    is_current: bool


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str
    note: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRow:
    name: str
    artifact: str
    version: str
    type: str
    size: str
    sha256: str
    #: (label, address)
    views: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    id: str
    number: int
    state: present.State
    reason: str
    started: present.Moment | None
    took: present.Span | None
    beat: present.Moment | None
    progress: Progress | None
    details: list[Fact]
    error: str
    where: str
    traceback: str
    log_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPanel:
    invocation_id: str
    label: str
    state: present.State
    reason: str
    next_try: present.Moment | None
    tabs: list[Tab]
    attempt: AttemptFacts | None
    log: log_view.LogWindow | None
    cache_reason: str
    origin_url: str
    origin_number: int | None
    options: list[Fact]
    inputs: list[Fact]
    input_artifacts: list[ArtifactRow]
    output_artifacts: list[ArtifactRow]
    hooks: list[Fact]
    metadata: list[Fact]
    #: its run in an experiment tracker
    tracked: list[Fact]
    docstring: str
    source_code: str
    #: says whether what a browser shows of the step is still true
    mark: str


def step_panel(run: Run, invocation_id: str, attempt_number: int | None) -> StepPanel | None:
    """Return the panel of a step, with the attempt asked for or the newest; None when there is no such step."""
    step = StepRun.objects.filter(run=run, invocation_id=invocation_id).select_related("origin_step__run").first()
    if step is None:
        return None
    columns = ("id", "number", "status", "step_run_id")
    tries = list(Attempt.objects.filter(step_run=step).only(*columns).order_by("number"))
    chosen = next((attempt for attempt in tries if attempt.number == attempt_number), tries[-1] if tries else None)
    attempt = Attempt.objects.get(id=chosen.id) if chosen else None
    artifacts = _artifacts(step)
    origin = step.origin_step.run if step.origin_step else None
    retries = step.next_attempt_at if step.status == StepStatus.RETRYING else None
    return StepPanel(
        invocation_id=step.invocation_id,
        label=present.step_label(step.invocation_id),
        state=present.state(step.status),
        reason=step.status_reason,
        next_try=present.moment(datetime.fromtimestamp(retries, UTC)) if retries else None,
        tabs=[_tab(run, step, one, is_current=one is chosen) for one in tries],
        attempt=_attempt(run, step, attempt) if attempt else None,
        log=log_view.tail(run.id, attempt) if attempt else None,
        cache_reason=step.cache_reason,
        origin_url=step_url(origin, step.origin_step.invocation_id) if origin else "",
        origin_number=origin.number if origin else None,
        options=_options(step),
        inputs=_inputs(step.plan),
        input_artifacts=artifacts[StepArtifact.Direction.INPUT],
        output_artifacts=artifacts[StepArtifact.Direction.OUTPUT],
        hooks=_hooks(run, step),
        metadata=_metadata(step),
        tracked=_tracked(step),
        docstring=step.plan.get("docstring") or "",
        source_code=step.plan.get("source_code") or "",
        mark=f"{step.id.hex[-12:]}.{step.status}.{len(tries)}.{len(step.metadata)}",
    )


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


def _tab(run: Run, step: StepRun, attempt: Attempt, *, is_current: bool) -> Tab:
    url = step_url(run, step.invocation_id, attempt.number)
    return Tab(attempt.number, url, present.state(attempt.status), is_current)


def _attempt(run: Run, step: StepRun, attempt: Attempt) -> AttemptFacts:
    is_running = attempt.status == AttemptStatus.RUNNING
    return AttemptFacts(
        id=str(attempt.id),
        number=attempt.number,
        state=present.state(attempt.status),
        reason=attempt.status_reason,
        started=present.moment(attempt.started_at),
        took=present.span(attempt.started_at, attempt.ended_at),
        beat=present.moment(attempt.beat_at) if is_running else None,
        progress=read_progress(attempt),
        details=_details(attempt),
        error=f"{attempt.error_type}: {attempt.error_message}".strip(": ") if attempt.error_type else "",
        where=attempt.error_where,
        traceback=attempt.error_traceback,
        log_url=log_url(run, step.invocation_id, attempt.number),
    )


def _details(attempt: Attempt) -> list[Fact]:
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


def _options(step: StepRun) -> list[Fact]:
    plan = step.plan
    origins = plan.get("origins", {})
    facts = [
        Fact(name, _option_text(name, value), origins.get(name, "default"))
        for name, value in plan.get("options", {}).items()
        if name not in _HIDDEN_OPTIONS
    ]
    if version := model_actions.version_of(step):
        url = reverse("models:version", args=[version.model.name, version.name])
        linked = Fact("model", str(version), origins.get("model", "default"), url)
        facts = [linked if fact.label == "model" else fact for fact in facts]
    hooks = plan.get("options", {}).get("hooks") or {}
    facts += [Fact(name, str(hook), origins.get(name, "step")) for name, hook in hooks.items() if hook]
    # What somebody chose comes before what nobody did.
    return sorted(facts, key=lambda fact: fact.note == "default")


def _option_text(name: str, value: Any) -> str:
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
    return present.value(value)


def _inputs(plan: dict[str, Any]) -> list[Fact]:
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


def _artifacts(step: StepRun) -> dict[str, list[ArtifactRow]]:
    rows: dict[str, list[ArtifactRow]] = {StepArtifact.Direction.INPUT: [], StepArtifact.Direction.OUTPUT: []}
    links = StepArtifact.objects.filter(step_run=step).select_related("artifact_version__artifact").order_by("id")
    for link in links:
        rows[link.direction].append(artifact_row(link.name, link.artifact_version))
    return rows


def artifact_row(name: str, version: ArtifactVersion) -> ArtifactRow:
    """Return an artifact version as pages print it."""
    views = [
        (str(item.get("kind", "view")), reverse("artifacts:visualization", args=[version.id, item["file"]]))
        for item in version.visualizations
        if item.get("file")
    ]
    return ArtifactRow(
        name=name,
        artifact=version.artifact.name,
        version=version.version,
        type=version.type,
        size=present.size(version.size),
        sha256=version.sha256[:_SHORT_HASH],
        views=views,
    )


def _hooks(run: Run, step: StepRun) -> list[Fact]:
    events = RunEvent.objects.filter(run=run, kind="hook", payload__step=str(step.id)).order_by("seq")
    facts = []
    for event in events[:50]:
        told = event.payload
        seconds = told.get("seconds")
        took = f" in {format_duration(seconds)}" if isinstance(seconds, int | float) else ""
        text = f"ran{took}" if told.get("ok") else f"failed{took}: {told.get('error') or 'no reason given'}"
        facts.append(Fact(str(told.get("hook", "hook")), text, "" if told.get("ok") else "failed"))
    return facts
