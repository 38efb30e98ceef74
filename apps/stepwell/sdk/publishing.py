"""A step's outputs: each is written by its materializer, then all appear in the store at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stepwell.errors import ArtifactError
from stepwell.sdk.artifactstore import ArtifactStore, Draft, storage_errors
from stepwell.sdk.context import OutputNotes, StepContext
from stepwell.sdk.materializers import storing
from stepwell.sdk.outputcheck import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One value to store, and what the plan says of it."""

    name: str
    value: Any
    wishes: storing.Wishes = field(default_factory=storing.Wishes)
    artifact_name: str | None = None
    version: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    #: what it is to people; empty is what its materializer says
    kind: str = ""


def publish(
    outputs: list[Output], *, store: ArtifactStore, draft: Draft, folder: str, context: StepContext
) -> list[dict[str, Any]]:
    """Store ``outputs`` below ``folder`` and return what the result frame says of them.

    Raises:
        ArtifactError: A value cannot be stored, or a stored file is no plain file.
        StorageFull: The disk is full or cannot be written.
    """
    if not outputs:
        return []
    with storage_errors(store.root):
        saved = {output.name: _save(output, draft, context) for output in outputs}
    stored = store.publish(draft, folder)
    frames = []
    for output in outputs:
        place, how = stored[output.name], saved[output.name]
        notes = context.notes.get(output.name, OutputNotes())
        frames.append(
            {
                "name": output.name,
                "uri": place.uri,
                "size": place.size,
                "sha256": place.sha256,
                "type": how.type,
                "materializer": how.materializer,
                "metadata": {**how.metadata, **output.metadata, **notes.metadata},
                "visualizations": how.visualizations,
                "artifact_name": output.artifact_name,
                "version": output.version,
                "tags": list(dict.fromkeys([*output.tags, *notes.tags])),
                "kind": output.kind or how.kind,
            }
        )
    return frames


def _save(output: Output, draft: Draft, context: StepContext) -> storing.Saved:
    try:
        saved = storing.save(output.value, draft.folder(output.name), wishes=output.wishes)
    except ArtifactError as exc:
        raise type(exc)(f"The {words(output.name)} of step {context.step_name}: {exc.message}", hint=exc.hint) from exc
    if saved.warning:
        context.send({"t": "warning", "message": f"The {words(output.name)}: {saved.warning}"})
    return saved
