"""What an alert says: as data for webhooks, as a title and a few lines for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

from stepwell.accounts.models import InstanceSettings
from stepwell.alerts.models import Event
from stepwell.core.status import RunStatus, StepStatus
from stepwell.runs.models import Run, StepRun

_MOST_STEPS = 10
_MOST_REASON = 1000
_HAPPENED = {Event.FAILED: "failed", Event.RECOVERED: "completed again", Event.WAITING: "waits for an answer"}
_ENDED = {RunStatus.COMPLETED: "completed", RunStatus.CANCELLED: "was cancelled"}


def payload(run: Run, event: str, watchers: list[str] | None = None) -> dict[str, Any]:
    """Return what is told of a run. Reasons were masked before they were stored."""
    base = base_url()
    failed = StepRun.objects.filter(run=run, status=StepStatus.FAILED).order_by("ended_at")[:_MOST_STEPS]
    asked = {"asked_by": watchers} if watchers else {}
    return {
        "event": f"run.{event}",
        "instance": InstanceSettings.load().instance_name,
        "pipeline": run.pipeline.name,
        "run": {
            "id": str(run.id),
            "number": run.number,
            "name": run.name,
            "status": run.status,
            "reason": run.status_reason[:_MOST_REASON],
            "trigger": run.trigger,
            "started_at": run.started_at.isoformat() if run.started_at else None,
            "ended_at": run.ended_at.isoformat() if run.ended_at else None,
            "url": f"{base}/runs/{run.number}/" if base else "",
        },
        **asked,
        "failed_steps": [{"name": step.invocation_id, "reason": step.status_reason[:_MOST_REASON]} for step in failed],
    }


def test_payload(rule: str) -> dict[str, Any]:
    """Return what a test tells."""
    return {"event": "test", "instance": InstanceSettings.load().instance_name, "rule": rule}


def title(told: dict[str, Any]) -> str:
    """Return the first line for people."""
    if told["event"] == "test":
        return f"{told['instance']}: test of the alert rule {told['rule']}"
    event = str(told["event"]).removeprefix("run.")
    happened = _HAPPENED.get(Event(event)) or _ENDED.get(told["run"]["status"], "failed")
    return f"{told['instance']}: {told['pipeline']} #{told['run']['number']} {happened}"


def body(told: dict[str, Any]) -> str:
    """Return the lines below the title."""
    if told["event"] == "test":
        return "This address works."
    lines = [told["run"]["reason"], *(f"{step['name']}: {step['reason']}" for step in told["failed_steps"])]
    return "\n".join(line for line in dict.fromkeys([*lines, told["run"]["url"]]) if line)


def base_url() -> str:
    """Return where people reach this instance, without a slash at the end."""
    if settings.PUBLIC_URL:
        return str(settings.PUBLIC_URL)
    try:
        return (Path(settings.HOME) / "address").read_text(encoding="ascii").strip()
    except OSError:
        return ""
