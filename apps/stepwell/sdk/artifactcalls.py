"""Storing and loading artifacts by name, and tags: in scripts, in pipelines' bodies and in running steps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from stepwell.errors import UsageError
from stepwell.sdk import artifactversion, context, jsonable
from stepwell.sdk.artifactversion import ArtifactVersion
from stepwell.sdk.client import default_transport
from stepwell.sdk.client_local import Transport
from stepwell.sdk.tags import Tag, tag_names


@dataclass(frozen=True, eq=False)
class ExternalArtifact:
    """A stored artifact, or a value to store, as a step's input in a pipeline's body.

    ``value`` is stored when the pipeline is planned, once for equal content; ``id`` names a stored version.

    Example:
        @pipeline
        def scoring():
            score(ExternalArtifact(value=[1, 2, 3]))
    """

    value: Any = None
    id: UUID | str | None = None
    materializer: Any = None
    store_artifact_metadata: bool = True
    store_artifact_visualizations: bool = True
    #: the version it became
    _stored: list[ArtifactVersion] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.id is None):
            raise UsageError("ExternalArtifact takes either value= or id=.")

    is_stored_reference: ClassVar[bool] = True

    @property
    def version_id(self) -> UUID:
        """The id of the version it is, or becomes now."""
        return self.upload().id

    def upload(self, *, name: str = "external") -> ArtifactVersion:
        """Store the value, unless it is, and return the version.

        Raises:
            ArtifactError: The value cannot be stored.
            NotFound: There is no version with this id.
        """
        if not self._stored:
            self._stored.append(self._store(name))
        return self._stored[0]

    def load(self) -> Any:
        """Return the value."""
        return self.value if self.id is None else self.upload().load()

    def _store(self, name: str) -> ArtifactVersion:
        transport = default_transport()
        if self.id is not None:
            return artifactversion.artifact_version(transport.ask("artifact.get", ref=str(self.id)), transport)
        return _save(
            transport,
            self.value,
            name,
            materializer=self.materializer,
            with_metadata=self.store_artifact_metadata,
            with_visualizations=self.store_artifact_visualizations,
            reuse=True,
        )


def save_artifact(
    data: Any,
    name: str,
    *,
    version: int | str | None = None,
    tags: Iterable[str | Tag] | None = None,
    materializer: Any = None,
    user_metadata: Mapping[str, Any] | None = None,
    extract_metadata: bool = True,
    include_visualizations: bool = True,
) -> ArtifactVersion:
    """Store a value as a new version of an artifact and return the version.

    Args:
        data: the value.
        name: of the artifact.
        version: of the version; None counts on.
        tags: of the version.
        materializer: a materializer class or its dotted name; None picks one by type.
        user_metadata: names and JSON values.
        extract_metadata: False leaves out what the materializer says about the value.
        include_visualizations: False makes no previews.

    Raises:
        ArtifactError: The value cannot be stored.
        Conflict: The artifact has this version already.
        TypeError: The metadata has no JSON form.
    """
    return _save(
        default_transport(),
        data,
        name,
        version=version,
        tags=tag_names(tags),
        metadata=jsonable.clean_metadata(dict(user_metadata or {})),
        materializer=materializer,
        with_metadata=extract_metadata,
        with_visualizations=include_visualizations,
    )


def load_artifact(name_or_id: str | UUID, version: str | int | None = None) -> Any:
    """Return the value of an artifact version: the newest of a name, one version of it, or the one with an id.

    In a running step it counts among the step's inputs from then on.

    Raises:
        NotFound: There is none.
        ArtifactError: Its data is missing or damaged.
    """
    from stepwell.sdk.client import Client

    return Client().get_artifact_version(name_or_id, version).load()


def register_artifact(
    folder_or_file_uri: str | os.PathLike[str],
    name: str,
    version: int | str | None = None,
    tags: Iterable[str | Tag] | None = None,
    artifact_metadata: Mapping[str, Any] | None = None,
) -> ArtifactVersion:
    """Store a copy of a file or folder as a version of an artifact; it loads as the path of a copy.

    Raises:
        UsageError: There is no such file or folder.
        ArtifactError: There is something else than files and folders in it.
        Conflict: The artifact has this version already.
    """
    source = Path(folder_or_file_uri)
    if not source.exists():
        raise UsageError(f"There is no file or folder {source}.")
    return _save(
        default_transport(),
        source,
        name,
        version=version,
        tags=tag_names(tags),
        metadata=jsonable.clean_metadata(dict(artifact_metadata or {})),
        materializer="stepwell.sdk.materializers.folders.FolderMaterializer",
        with_visualizations=False,
    )


def add_tags(tags: Iterable[str | Tag], **target: Any) -> None:
    """Put tags on a run or an artifact version; in a step without a target, on its run.

    Args:
        tags: texts or ``Tag``.
        target: ``run`` (number, id, name), ``artifact_version_id``, ``artifact_name`` (or ``artifact``) with
            ``artifact_version`` (the newest unless given), or in a step ``infer_artifact=True`` for its output, named
            by ``artifact_name`` where there are several.

    Raises:
        NotFound: There is no such thing.
        ValueError: No target is given and no step is running.
    """
    names = tag_names(tags)
    step = context.current()
    if target.pop("infer_artifact", False):
        context.get_step_context().add_output_tags(names, target.pop("artifact_name", None))
        return
    if step is not None and not _given(target):
        step.send({"t": "tags", "tags": names})
        return
    default_transport().ask("tags.change", target=tag_target(target), add=names)


def remove_tags(tags: Iterable[str | Tag], **target: Any) -> None:
    """Take tags off a run or an artifact version; the targets are those of ``add_tags``.

    Raises:
        NotFound: There is no such thing.
        ValueError: No target is given and no step is running.
    """
    step = context.current()
    if step is not None and not _given(target):
        target = {"run": step.pipeline_run.id}
    default_transport().ask("tags.change", target=tag_target(target), remove=tag_names(tags))


def tag_target(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the target of tags as the store takes it.

    Raises:
        TypeError: There is no such argument.
        ValueError: There is no target.
    """
    known = {"run", "artifact", "artifact_version_id", "artifact_name", "artifact_version"}
    if unknown := sorted(_given(given).keys() - known):
        raise TypeError(f"Tags cannot be put on {', '.join(unknown)}; there are: {', '.join(sorted(known))}.")
    target = artifact_target(given) or {"run": str(given["run"])} if _given(given) else {}
    if not target:
        raise ValueError("Which run or artifact? Outside of steps, name one: run=... or artifact_name=...")
    return target


def artifact_target(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the artifact version some arguments name; empty when they name none."""
    if given.get("artifact_version_id") is not None:
        return {"artifact": str(given["artifact_version_id"])}
    name = given.get("artifact_name") or given.get("artifact")
    if name is None:
        return {}
    version = given.get("artifact_version")
    named = {"artifact": str(name)}
    return named if version is None else {**named, "artifact_version": str(version)}


def _given(target: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in target.items() if value is not None}


def _save(
    transport: Transport,
    data: Any,
    name: str,
    *,
    materializer: Any = None,
    with_metadata: bool = True,
    with_visualizations: bool = True,
    **facts: Any,
) -> ArtifactVersion:
    from stepwell.sdk.materializers import storing

    wanted = () if materializer is None else storing.iter_materializers([materializer])
    wishes = storing.Wishes(materializers=wanted, with_metadata=with_metadata, with_visualizations=with_visualizations)
    upload, saved = transport.upload(lambda folder: storing.save(data, folder, wishes=wishes))
    _pass_on(saved.warning, name)
    version = facts.pop("version", None)
    told = transport.ask(
        "artifact.save",
        artifact=name,
        upload=upload,
        version=None if version is None else str(version),
        type=saved.type,
        materializer=saved.materializer,
        visualizations=saved.visualizations,
        metadata={**saved.metadata, **facts.pop("metadata", {})},
        **facts,
    )
    return artifactversion.artifact_version(told, transport)


def _pass_on(warning: str, name: str) -> None:
    step = context.current()
    if warning and step is not None:
        step.send({"t": "warning", "message": f"The artifact {name}: {warning}"})
