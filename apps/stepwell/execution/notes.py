"""Metadata and tags put on runs, steps and artifact versions from anywhere: a script, a step, the API."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction

from stepwell.artifacts.models import ArtifactVersion
from stepwell.core.wire_artifacts import MetadataToLog, TagsToChange, Target
from stepwell.errors import NotFound, UsageError
from stepwell.execution.artifacts import find_version
from stepwell.execution.lookup import find_run, find_step, step_with_id
from stepwell.runs import events
from stepwell.runs.models import Run, StepRun

_MOST_KEYS = 1000
_MOST_BYTES = 1024 * 1024
_MOST_TAGS = 100

Row = Run | StepRun | ArtifactVersion


def find_target(target: Target) -> Row:
    """Return what a target names.

    Raises:
        NotFound: There is no such thing.
    """
    if target.artifact is not None:
        return find_version(target.artifact, target.artifact_version)
    if target.step_id is not None:
        return step_with_id(str(target.step_id))
    run = find_run(target.run or "")
    return run if target.step is None else find_step(run, target.step)


def log_metadata(asked: MetadataToLog, *, row: Row | None = None) -> Row:
    """Add metadata to what ``asked`` names, which may be at hand as ``row``; equal names are replaced.

    Raises:
        NotFound: There is no such thing.
        UsageError: It would have more than 1000 names or 1 MiB.
    """
    row = row or find_target(asked.target)
    with transaction.atomic():
        locked = _lock(row)
        merged = {**locked.metadata, **asked.metadata}
        if len(merged) > _MOST_KEYS or len(json.dumps(merged)) > _MOST_BYTES:
            raise UsageError(f"Metadata has at most {_MOST_KEYS:,} names and 1 MiB; {_called(row)} would have more.")
        locked.metadata = merged
        locked.save(update_fields=["metadata"])
        _tell(row, sorted(asked.metadata)[:50])
    return row


def change_tags(asked: TagsToChange, *, row: Row | None = None) -> Row:
    """Put tags on a run or an artifact version, and take tags off; ``row`` has them then as they are stored.

    Raises:
        NotFound: There is no such thing.
        UsageError: Steps have no tags; or there would be more than 100.
    """
    row = row or find_target(asked.target)
    if isinstance(row, StepRun):
        raise UsageError("Steps have no tags.", hint="Tag the run or an output.")
    with transaction.atomic():
        locked: Any = _lock(row)
        kept = [tag for tag in dict.fromkeys([*locked.tags, *asked.add]) if tag not in set(asked.remove)]
        if len(kept) > _MOST_TAGS:
            raise UsageError(f"{_called(row)} would have more than {_MOST_TAGS} tags.", hint="Take some off first.")
        locked.tags = sorted(kept) if isinstance(row, Run) else kept
        locked.save(update_fields=["tags"])
        if isinstance(row, Run):
            events.record(row.id, "note", {"message": f"Tags: {', '.join(locked.tags) or 'none'}"})
    row.tags = locked.tags
    return row


def run_of(row: Row) -> Any:
    """Return the id of the run that ``row`` is, belongs to, or was made by; None for what no run made."""
    if isinstance(row, Run):
        return row.id
    if isinstance(row, StepRun):
        return row.run_id
    return row.producer.run_id if row.producer else None


def kind_of(row: Row) -> str:
    """Return what a row is in the audit log."""
    return {Run: "run", StepRun: "step", ArtifactVersion: "artifact"}[type(row)]


def _lock(row: Row) -> Any:
    found = type(row).objects.select_for_update().filter(id=row.id).first()
    if found is None:
        raise NotFound(f"{_called(row)} is gone.")
    return found


def _tell(row: Row, keys: list[str]) -> None:
    if isinstance(row, StepRun):
        events.record(row.run_id, "step.metadata", {"step": str(row.id), "keys": keys})
    elif isinstance(row, Run):
        events.record(row.id, "run.metadata", {"keys": keys})


def _called(row: Row) -> str:
    if isinstance(row, Run):
        return f"Run #{row.number}"
    return f"Step {row.invocation_id}" if isinstance(row, StepRun) else f"Artifact {row}"
