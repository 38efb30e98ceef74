"""Rows for tests: plain functions with keyword defaults, each making what it needs and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from stepwell.accounts.models import Role, User
from stepwell.artifacts.models import Artifact, ArtifactVersion, StepArtifact
from stepwell.core.plan import Binding, PipelineSpec, PlannedOutput, PlannedStep, Source, StepOptions
from stepwell.core.status import TERMINAL_ATTEMPT, TERMINAL_RUN, TERMINAL_STEP, StepKind
from stepwell.engine.logfile import LogWriter
from stepwell.execution import actions
from stepwell.pipelines.models import Pipeline, Snapshot
from stepwell.runs import events
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run, RunEvent, StepEdge, StepRun

_numbers = itertools.count(1)
CODE_HASH = "c0de" * 16
TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 88, in score\nValueError: shapes differ\n'
#: a pipeline with one parameter of each kind a form has a field for
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "learning_rate": {"type": "number", "default": 0.01},
        "epochs": {"type": "integer", "default": 10},
        "shuffle": {"type": "boolean", "default": True},
        "backbone": {"enum": ["resnet18", "resnet50"], "default": "resnet18"},
        "note": {"type": "string", "default": ""},
        "layers": {"type": "array", "items": {"type": "integer"}, "default": [64, 32]},
    },
    "required": [],
    "additionalProperties": False,
}


def make_user(username: str = "", role: str = Role.OPERATOR, *, password: str | None = None, **fields: Any) -> User:
    """Make a person; without a password they sign in through ``client.force_login``."""
    user = User(username=username or f"{role}-{next(_numbers)}", role=role, **fields)
    user.set_password(password) if password else user.set_unusable_password()
    user.save()
    return user


def make_pipeline(
    name: str = "",
    *,
    docstring: str = "",
    schema: Mapping[str, Any] | None = None,
    steps: Iterable[str] = ("load", "train"),
    can_run: bool = True,
    registered_by: str = "",
) -> Pipeline:
    """Make a pipeline with one snapshot, which has a plan of ``steps`` but no archive on disk."""
    name = name or f"pipeline-{next(_numbers)}"
    pipeline = Pipeline.objects.create(name=name, slug=slugify(name) or f"p{next(_numbers)}", docstring=docstring)
    make_snapshot(pipeline, schema=schema, can_run=can_run, registered_by=registered_by)
    return pipeline


def make_snapshot(
    pipeline: Pipeline,
    *,
    schema: Mapping[str, Any] | None = None,
    can_run: bool = True,
    git_commit: str = "",
    registered_by: str = "",
) -> Snapshot:
    parameters_schema = dict(SCHEMA if schema is None else schema)
    spec = PipelineSpec(
        name=pipeline.name,
        source=Source(module="train", qualname="train"),
        docstring=pipeline.docstring or None,
        parameters_schema=parameters_schema,
        source_code="@pipeline\ndef train(learning_rate: float = 0.01):\n    ...\n",
    )
    return Snapshot.objects.create(
        pipeline=pipeline,
        number=pipeline.snapshots.count() + 1,
        spec=spec.model_dump(mode="json"),
        parameters_schema=parameters_schema,
        code_hash=CODE_HASH if can_run else "",
        entry_file="train.py",
        git_commit=git_commit,
        registered_by=registered_by,
    )


def make_run(
    *,
    status: str = "completed",
    steps: int | Iterable[str] | Mapping[str, str] = 0,
    pipeline: Pipeline | None = None,
    started: datetime | None = None,
    seconds: float = 60,
    **fields: Any,
) -> Run:
    """Make a run with its steps: a count, names, or names with statuses, each waiting for the one before.

    The run and its steps look as if they took ``seconds`` in all, from ``started`` (that long ago by default) on.
    """
    pipeline = pipeline or make_pipeline()
    number = fields.pop("number", None) or _next_number()
    started = started or timezone.now() - timedelta(seconds=seconds)
    is_over = status in TERMINAL_RUN
    run = Run.objects.create(
        number=number,
        name=fields.pop("name", f"{pipeline.name}-{number}"),
        pipeline=pipeline,
        snapshot=fields.pop("snapshot", None) or pipeline.newest_snapshot,
        status=status,
        trigger=fields.pop("trigger", "browser"),
        parameters=fields.pop("parameters", {name: field["default"] for name, field in SCHEMA["properties"].items()}),
        started_at=None if status == "queued" else started,
        ended_at=started + timedelta(seconds=seconds) if is_over else None,
        **fields,
    )
    Run.objects.filter(id=run.id).update(created_at=started)
    run.created_at = started
    statuses = _statuses(steps, status)
    previous = None
    for index, (name, step_status) in enumerate(statuses.items()):
        begin = started + timedelta(seconds=seconds * index / len(statuses))
        step = make_step(run, name, status=step_status, started=begin, seconds=seconds / len(statuses), after=previous)
        previous = step
    return run


def make_step(
    run: Run,
    name: str = "load",
    *,
    status: str = "completed",
    started: datetime | None = None,
    seconds: float = 10,
    after: StepRun | None = None,
    options: StepOptions | None = None,
    attempts: bool = True,
    **fields: Any,
) -> StepRun:
    """Make a step, with one attempt that fits its status unless ``attempts`` is false."""
    started = started or timezone.now() - timedelta(seconds=seconds)
    has_run = status in {"completed", "failed", "running", "retrying"}
    planned = PlannedStep(
        invocation_id=name,
        name=name,
        source=Source(module="train", qualname=name),
        source_code=f"@step\ndef {name}():\n    ...\n",
        upstream=[after.invocation_id] if after else [],
        inputs={"rows": Binding(kind="output", step=after.invocation_id, name="output")} if after else {},
        outputs=[PlannedOutput(name="output")],
        options=options or StepOptions(),
    )
    step = StepRun.objects.create(
        run=run,
        kind=fields.pop("kind", StepKind.STEP),
        invocation_id=name,
        name=name,
        ordinal=fields.pop("ordinal", run.steps.count() + 1),
        status=status,
        plan=fields.pop("plan", planned.model_dump(mode="json")),
        started_at=started if has_run or status == "cached" else None,
        ended_at=started + timedelta(seconds=seconds if has_run else 0) if status in TERMINAL_STEP else None,
        **fields,
    )
    if after:
        StepEdge.objects.create(upstream=after, downstream=step)
    if has_run and attempts:
        make_attempt(step, status="failed" if status == "retrying" else status, started=started, seconds=seconds)
    return step


def make_attempt(
    step: StepRun,
    *,
    status: str = "completed",
    started: datetime | None = None,
    seconds: float = 10,
    log: str = "",
    **fields: Any,
) -> Attempt:
    """Make the next attempt at a step, with ``log`` as its log."""
    started = started or timezone.now() - timedelta(seconds=seconds)
    is_over = status in TERMINAL_ATTEMPT
    if status == "failed":
        fields = {
            "error_type": "ValueError",
            "error_message": "shapes (32,10) and (32,12) not aligned",
            "error_where": "train.py:88, score()",
            "error_traceback": TRACEBACK,
            **fields,
        }
    attempt = Attempt.objects.create(
        step_run=step,
        number=fields.pop("number", step.attempts.count() + 1),
        status=status,
        started_at=None if status == "queued" else started,
        ended_at=started + timedelta(seconds=seconds) if is_over else None,
        beat_at=fields.pop("beat_at", None if status == "queued" else timezone.now()),
        log_sealed=fields.pop("log_sealed", is_over),
        host=fields.pop("host", "worker-1"),
        **fields,
    )
    Attempt.objects.filter(id=attempt.id).update(queued_at=started)
    if log:
        write_log(attempt, log)
    return attempt


def write_log(attempt: Attempt, text: str) -> Path:
    """Write the log of an attempt as its supervisor would, and note its size."""
    path = log_path(attempt.step_run.run_id, attempt.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = LogWriter(path)
    writer.write(text.encode())
    writer.seal()
    Attempt.objects.filter(id=attempt.id).update(log_bytes=len(text.encode()), log_lines=len(text.splitlines()))
    return path


def make_artifact(
    step: StepRun, name: str = "output", *, files: Mapping[str, str | bytes] | None = None, **fields: Any
) -> ArtifactVersion:
    """Make an output of a step; ``files`` become its visualizations, written into the artifact store."""
    artifact, _ = Artifact.objects.get_or_create(name=f"{step.run.pipeline.name}::{step.invocation_id}::{name}")
    number = artifact.versions.count() + 1
    uri = fields.pop("uri", f"{step.run_id}/{step.invocation_id}/1/{name}")
    for file, content in (files or {}).items():
        place = Path(settings.HOME) / "artifacts" / uri / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    version = ArtifactVersion.objects.create(
        artifact=artifact,
        version=str(number),
        number=number,
        uri=uri,
        size=fields.pop("size", 4096),
        sha256=fields.pop("sha256", "ab" * 32),
        type=fields.pop("type", "pandas.DataFrame"),
        materializer=fields.pop("materializer", "stepwell.JsonMaterializer"),
        visualizations=fields.pop(
            "visualizations",
            [{"kind": Path(file).suffix.lstrip(".") or "file", "file": file, "size": 1} for file in (files or {})],
        ),
        producer=step,
        **fields,
    )
    StepArtifact.objects.create(
        step_run=step, artifact_version=version, direction=StepArtifact.Direction.OUTPUT, name=name
    )
    return version


def make_event(run: Run, kind: str = "note", **payload: Any) -> RunEvent:
    """Write the next event of a run."""
    events.record(run.id, kind, payload)
    return RunEvent.objects.filter(run=run).latest("seq")


def _next_number() -> int:
    with transaction.atomic():
        return actions.next_run_number()


def _statuses(steps: int | Iterable[str] | Mapping[str, str], run_status: str) -> dict[str, str]:
    if isinstance(steps, Mapping):
        return dict(steps)
    names = [f"step_{index}" for index in range(1, steps + 1)] if isinstance(steps, int) else list(steps)
    plain = {"completed": "completed", "failed": "failed", "running": "running", "cancelled": "cancelled"}
    return dict.fromkeys(names, plain.get(run_status, "pending"))
