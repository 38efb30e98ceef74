"""Puts a piece of markup into every text the database holds, whatever the table: none of it may come out as markup."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.db import models, transaction

from stepwell.accounts.models import AuditEvent, InstanceSettings
from stepwell.artifacts.models import ModelVersion
from stepwell.runs.models import Attempt, Run
from stepwell.vault.models import Secret
from stepwell.web.run_page import log_url, step_url
from stepwell.web.step_panel import PARTS
from tests import factories
from tests.e2e.dashboard import scene
from tests.web.test_waits import ask

#: what is no text of people: keys, hashes, places, words of a fixed list, and what a program parses
_NOT_TEXT = {
    *("slug", "uri", "sha256", "cache_key", "code_hash", "entry_file", "fingerprint", "error_fingerprint", "key_id"),
    *("pid_start", "boot_id", "zone", "time_zone", "theme", "palette", "cron", "password", "token_hash", "prefix"),
    *("input_hash", "idempotency_key", "query", "path", "execution_mode", "email", "first_name", "last_name", "kind"),
    *("session_key", "session_data", "app_label", "model", "codename", "key", "flavor", "git_commit", "status"),
    *(
        "visualizations",
        "object_id",
        "object_kind",
        "exception",
        "parameters_schema",
        "overrides",
        "schema",
        "environment",
    ),
}
_NOT_MODELS = {"migrations.Migration", "sessions.Session", "contenttypes.ContentType", "auth.Permission"}
HTML = """<!doctype html><title>report</title><body>waiting<script>
const found = {};
const attempt = (name, act) => { try { found[name] = String(act()); } catch (error) { found[name] = 'blocked'; } };
attempt('parent', () => parent.document.title);
attempt('cookie', () => document.cookie);
attempt('storage', () => localStorage.length);
attempt('top', () => { top.location = 'about:blank'; return 'moved'; });
attempt('popup', () => window.open('about:blank') === null ? 'blocked' : 'opened');
fetch('/api/v1/me').then(() => 'fetched', () => 'blocked').then(word => {
  found.fetch = word; document.body.textContent = JSON.stringify(found);
});
</script></body>"""


def mark(field: str) -> str:
    return f"<x-canary>{field}</x-canary><img src=x onerror=fired()>"


def make(*, person: str) -> dict[str, str]:
    """Make an instance with a bit of everything, spoil every text, and return the addresses to look at."""
    addresses = scene.make(person=person)
    failed = Run.objects.filter(status="failed").first()
    wait = ask({"type": "boolean"})
    made = factories.make_run(
        status="failed", steps={"load": "failed"}, metadata={"k": "v"}, tags=["t"], warnings=["w"]
    )
    step = made.steps.get()
    factories.make_event(made, "note", text="t")
    files = {"report.html": HTML, "note.txt": mark("file.txt"), "table.csv": mark("file.csv"), "chart.svg": _SVG}
    artifact = factories.make_artifact(step, "shown", files=files, metadata={"k": "v"}, tags=["t"])
    Attempt.objects.filter(step_run=step).update(progress={"done": 1, "total": 2, "message": "m"}, status_reason="s")
    factories.write_log(step.attempts.get(), f"\x1b[31m{mark('log')}\x1b[0m\n{mark('log.plain')}\n")
    _spoil()
    run = Run.objects.get(pk=made.pk)
    of_scene = Attempt.objects.select_related("step_run__run").filter(status="failed", number=3).first()
    version = ModelVersion.objects.select_related("model").order_by("-id").first()
    address = f"/runs/{run.number}/"
    tabs = ("graph", "timeline", "artifacts", "config", "code", "logs", "events")
    return {
        **addresses,
        "spoiled": address,
        **{f"step-{part}": step_url(run, run.steps.get().invocation_id, part=part) for part, _ in PARTS},
        **{tab: f"{address}{tab}/" for tab in tabs},
        "spoiled-rerun": f"{address}rerun/",
        "compare-spoiled": f"/runs/compare/?run={run.number}&run={failed.number}&show=all",
        # Names stand in these addresses, and have changed.
        "log": log_url(of_scene.step_run.run, of_scene.step_run.invocation_id, 3),
        "log-running": log_url(run, run.steps.get().invocation_id, 1),
        "model": f"/models/{quote(version.model.name)}/",
        "model-version": f"/models/{quote(version.model.name)}/{version.number}/",
        "secret": f"/secrets/{quote(Secret.objects.get().name)}/",
        "secret-delete": f"/secrets/{quote(Secret.objects.get().name)}/delete/",
        "wait-asked": f"/waits/{wait.id}/",
        "artifact-spoiled": f"/artifacts/{artifact.id}/",
        **{file: f"/artifacts/{artifact.id}/view/{file}" for file in files},
        "api": "/api/docs",
        **{
            f"admin-{name}": f"/admin/{name}/"
            for name in ("accounts/user", "runs/run", "runs/attempt", "accounts/auditevent")
        },
    }


_SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload='parent.fired()'><text>{mark('file.svg')}</text></svg>"


def _spoil() -> None:
    """Put a mark into every text of every row."""
    with transaction.atomic():
        for model in apps.get_models():
            if model._meta.label not in _NOT_MODELS and model is not AuditEvent:
                fields = [field for field in model._meta.concrete_fields if _is_text(field)]
                for row in model._default_manager.order_by("-pk")[:60] if fields else ():
                    changed = {field.attname: _spoiled(field, getattr(row, field.attname)) for field in fields}
                    model._default_manager.filter(pk=row.pk).update(**changed)
        event = AuditEvent.objects.create(
            action="role.changed", actor_name=mark("audit.actor"), object_name=mark("audit.on")
        )
        AuditEvent(action=event.action, before={"k": mark("audit.before")}, after={mark("audit.key"): "x"}).save()
        InstanceSettings.objects.update(instance_name="<x-canary>instance</x-canary>")


def _is_text(field: models.Field) -> bool:
    is_kind = isinstance(field, models.CharField | models.TextField | models.JSONField)
    return is_kind and not field.choices and not field.primary_key and field.name not in _NOT_TEXT


def _spoiled(field: models.Field, value: Any) -> Any:
    name = f"{field.model._meta.model_name}.{field.name}"
    if field.name in {"plan", "spec"}:
        return {
            **value,
            **{key: f"{value[key]}\n# {mark(f'{name}.{key}')}\n" for key in ("source_code",) if value.get(key)},
        }
    if isinstance(field, models.JSONField):
        return _spoiled_json(value, name)
    if field.unique or field.name in {"name", "invocation_id", "version"}:
        # Names that stand in addresses have no slash.
        text = f"{value} <x-canary>{name} "
    else:
        text = f"{value} {mark(name)}" if value else value
    return text[: field.max_length] if field.max_length else text


def _spoiled_json(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return f"{value}{mark(name)}"
    if isinstance(value, list):
        return [_spoiled_json(item, name) for item in value]
    if isinstance(value, dict) and name.endswith((".metadata", ".labels", ".parameters", ".payload")):
        return {key: _spoiled_json(item, name) for key, item in value.items()} | {
            f"<x-canary>{name}.key</x-canary>": "x"
        }
    return value
