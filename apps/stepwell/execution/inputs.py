"""What a step takes in: its bindings, resolved to values and stored artifacts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from stepwell.accounts.models import as_uuid
from stepwell.artifacts import model_actions
from stepwell.artifacts.models import ArtifactVersion, StepArtifact
from stepwell.core.plan import Binding
from stepwell.errors import ArtifactError
from stepwell.kit.prepared import Insert, Select, Slot
from stepwell.runs.models import StepRun
from stepwell.sdk.artifactstore import measure

#: (invocation id, output name) -> the version
Outputs = dict[tuple[str, str], ArtifactVersion]


def artifact_root() -> Path:
    """Return the folder artifacts are stored below."""
    return Path(settings.HOME) / "artifacts"


def upstream_outputs(step: StepRun) -> Outputs:
    """Return the outputs of the steps directly above ``step``, and what it takes of models."""
    if all(raw["kind"] == "value" for raw in step.plan.get("inputs", {}).values()):
        return {}
    links = _ABOVE.rows(step=step.id)
    outputs = {(link.step_run.invocation_id, link.name): link.artifact_version for link in links}
    for binding in _linked(step.plan.get("inputs", {}).values()):
        if found := model_actions.find_linked(step, binding):
            outputs[_linked_key(binding)] = found
    return outputs


_ABOVE = Select(
    lambda: (
        StepArtifact.objects.filter(
            direction=StepArtifact.Direction.OUTPUT, step_run__downstream_edges__downstream=Slot("step")
        )
        .select_related("artifact_version__artifact", "step_run")
        .only("name", "step_run__invocation_id", "artifact_version")
    )
)
_NEW_LINKS = Insert(StepArtifact, ignore_conflicts=True)


def bindings(step: StepRun) -> dict[str, Binding]:
    """Return the step's planned inputs."""
    return {name: Binding.model_validate(raw) for name, raw in step.plan.get("inputs", {}).items()}


def resolve(binding: Binding, outputs: Outputs) -> dict[str, Any]:
    """Return a binding as a step process reads it.

    Raises:
        ArtifactError: An output it names was not stored.
    """
    if binding.kind == "value":
        return {"kind": "value", "value": binding.value}
    if binding.kind == "item":
        return {"kind": "item", "of": stored(_version_of(binding, outputs)), "index": binding.index}
    if binding.kind in {"list", "tuple"}:
        return {"kind": binding.kind, "items": [resolve(item, outputs) for item in binding.items]}
    if binding.kind == "dict":
        return {"kind": "dict", "entries": {key: resolve(entry, outputs) for key, entry in binding.entries.items()}}
    return stored(_version_of(binding, outputs))


def stored(version: ArtifactVersion) -> dict[str, Any]:
    """Return an artifact version as a step process reads it."""
    return {
        "kind": "stored",
        "id": str(version.id),
        "name": version.artifact.name,
        "uri": version.uri,
        "size": version.size,
        "sha256": version.sha256,
        "materializer": version.materializer,
        "type": version.type,
    }


def content_hashes(step: StepRun, outputs: Outputs) -> dict[str, str]:
    """Return input name -> what identifies its content, for inputs that come from other steps."""
    return _join_versions(step, outputs, lambda version: version.sha256)


def version_ids(step: StepRun, outputs: Outputs) -> dict[str, str]:
    """Return input name -> which artifact versions it is, for inputs that come from other steps."""
    return _join_versions(step, outputs, lambda version: str(version.id))


def _join_versions(step: StepRun, outputs: Outputs, identify: Callable[[ArtifactVersion], str]) -> dict[str, str]:
    return {
        name: json.dumps([[place, identify(version)] for place, version in versions_in(binding, outputs, name)])
        for name, binding in bindings(step).items()
        if binding.kind != "value"
    }


def versions_in(binding: Binding, outputs: Outputs, place: str) -> Iterator[tuple[str, ArtifactVersion]]:
    """Yield every artifact version below a binding with its place: ``data``, ``data.0``, ``data.key``."""
    if binding.kind in {"output", "artifact", "linked"}:
        yield place, _version_of(binding, outputs)
    if binding.kind == "item":
        yield f"{place}[{binding.index}]", _version_of(binding, outputs)
    for index, item in enumerate(binding.items):
        yield from versions_in(item, outputs, f"{place}.{index}")
    for key, entry in binding.entries.items():
        yield from versions_in(entry, outputs, f"{place}.{key}")


def record_inputs(step: StepRun) -> None:
    """Write down which artifact versions a step took in."""
    outputs = upstream_outputs(step)
    links = [
        StepArtifact(step_run=step, artifact_version=version, direction=StepArtifact.Direction.INPUT, name=place[:255])
        for name, binding in bindings(step).items()
        for place, version in versions_in(binding, outputs, name)
    ]
    if links:
        _NEW_LINKS(*links)


def record_loaded(step: StepRun, version_id: str) -> None:
    """Write down an artifact version that the step's code loaded by itself; once, by its artifact's name."""
    known = as_uuid(version_id)
    version = ArtifactVersion.objects.select_related("artifact").filter(id=known).first() if known else None
    taken = StepArtifact.objects.filter(step_run=step, direction=StepArtifact.Direction.INPUT)
    if version is None or taken.filter(artifact_version=version).exists():
        return
    name = version.artifact.name
    if taken.filter(name=name[:255]).exists() or name in bindings(step):
        name = f"{name[:200]} {version.version}"
    link = StepArtifact(
        step_run=step, artifact_version=version, direction=StepArtifact.Direction.INPUT, name=name[:255]
    )
    StepArtifact.objects.bulk_create([link], ignore_conflicts=True)


def data_is_present(versions: list[ArtifactVersion]) -> bool:
    """Return whether the files of every version are there as they were stored.

    Files that were touched since are hashed again; of others the sizes are compared, so that a large result is not
    read each time it is reused. Loading one checks its hash in any case.
    """
    return all(_is_as_stored(artifact_root() / version.uri, version) for version in versions)


def _is_as_stored(folder: Path, version: ArtifactVersion) -> bool:
    if not folder.is_dir():
        return False
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    if sum(file.st_size for file in found) != version.size:
        return False
    if all(file.st_ctime <= version.created_at.timestamp() for file in found):
        return True
    try:
        return measure(folder) == (version.size, version.sha256)
    except (ArtifactError, OSError):
        return False


def _linked(stored_bindings: Iterable[dict[str, Any]]) -> Iterator[Binding]:
    for raw in stored_bindings:
        if raw["kind"] == "linked":
            yield Binding.model_validate(raw)
        yield from _linked([*raw.get("items", ()), *raw.get("entries", {}).values()])


def _linked_key(binding: Binding) -> tuple[str, str]:
    model = binding.model
    return (f"model\0{model['name']}\0{model['version']}\0{model['artifact_version']}", binding.name)


def _version_of(binding: Binding, outputs: Outputs) -> ArtifactVersion:
    if binding.kind == "artifact":
        version = ArtifactVersion.objects.select_related("artifact").filter(id=UUID(binding.artifact)).first()
    elif binding.kind == "linked":
        version = outputs.get(_linked_key(binding))
    else:
        version = outputs.get((binding.step, binding.name))
    if version is None and binding.kind == "linked":
        place = f"the model {binding.model['name']} {binding.model['version']}".rstrip()
        raise ArtifactError(f"Nothing is linked to {place} as {binding.name}.", hint="Run what makes it first.")
    if version is None:
        what = binding.artifact or f"output {binding.name} of {binding.step}"
        raise ArtifactError(f"The {what} was not stored.", hint="Run the step that makes it again.")
    return version
