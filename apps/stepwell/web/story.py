"""The story of a run: its events as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stepwell.runs.models import Run, RunEvent
from stepwell.web import present
from stepwell.web.run_page import step_url

#: events on one page
PAGE = 300


@dataclass(frozen=True, slots=True)
class Line:
    """One event."""

    seq: int
    at: present.Moment | None
    state: present.State | None
    what: str
    url: str
    text: str


def story(run: Run, *, after: int = 0) -> tuple[list[Line], int]:
    """Return up to a page of events with a higher ``seq`` than ``after``, and the seq to go on from (0 at the end)."""
    rows = list(RunEvent.objects.filter(run=run, seq__gt=after).order_by("seq")[: PAGE + 1])
    more = rows[PAGE - 1].seq if len(rows) > PAGE else 0
    return [_line(run, event) for event in rows[:PAGE]], more


def _line(run: Run, event: RunEvent) -> Line:
    told = event.payload
    invocation = str(told.get("invocation_id") or "")
    status = str(told.get("status") or "")
    state = present.state(status) if status else None
    url = step_url(run, invocation) if invocation else ""
    return Line(event.seq, present.moment(event.at), state, _what(event.kind, told, invocation), url, _text(told))


def _what(kind: str, told: dict[str, Any], invocation: str) -> str:
    label = present.step_label(invocation)
    match kind:
        case "run.created":
            return f"Run made ({told.get('trigger', '')})"
        case "run.planned":
            return f"Planned: {present.count(len(told.get('steps', [])), 'step')}"
        case "run.status":
            return "Run"
        case "cancel.requested":
            return "Cancellation asked for"
        case "step.status":
            return label or "Step"
        case "attempt.status":
            return f"{label}, attempt {told.get('number', '')}"
        case "hook":
            return f"{label}: {told.get('hook', 'hook')} {'ran' if told.get('ok') else 'failed'}"
        case "step.metadata" | "run.metadata":
            return f"Metadata: {', '.join(str(key) for key in told.get('keys', [])[:10])}"
        case "note":
            return "Warning" if told.get("level") == "warning" else "Note"
    return _of_models(kind, told)


def _of_models(kind: str, told: dict[str, Any]) -> str:
    version = f"{told.get('model', '')} {told.get('version', '')}"
    if kind == "model.used":
        return f"Works on the model {version}"
    if kind == "run.acknowledged":
        return "Failure acknowledged"
    if kind == "run.reopened":
        return "Failure unresolved again"
    return f"{version} moved to {told.get('new', '')}" if kind == "model.stage" else kind


def _text(told: dict[str, Any]) -> str:
    by = f"by {told['by']}" if told.get("by") else ""
    for name in ("reason", "message", "error"):
        if told.get(name):
            return str(told[name])[:1000]
    return by
