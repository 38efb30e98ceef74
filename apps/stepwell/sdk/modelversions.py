"""Versions of models as code reads them: what is linked, what is known, which stage; promotion too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from stepwell.sdk import artifactversion, jsonable
from stepwell.sdk.artifactversion import ArtifactVersion
from stepwell.sdk.responses import Page

if TYPE_CHECKING:
    from stepwell.sdk.client_local import Transport

LATEST = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model: a name, and what its pipelines' code says of it."""

    id: UUID
    name: str
    description: str = field(compare=False)
    license: str = field(compare=False)
    tags: list[str] = field(compare=False)
    n_versions: int = field(compare=False)
    #: the newest version's name; None when there is none
    latest_version: str | None = field(compare=False)
    #: stage -> the name of the version that is in it
    stages: dict[str, str] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a model as it was when asked for. ``name`` is its number as text, or the name a run gave it."""

    id: UUID
    model: ModelInfo
    name: str = field(compare=False)
    #: counts 1, 2, 3 within the model
    number: int = field(compare=False)
    stage: str = field(compare=False)
    run_metadata: dict[str, Any] = field(compare=False)
    tags: list[str] = field(compare=False)
    created_at: datetime = field(compare=False)
    #: newest first: {"old", "new", "at", "by", "reason", "run_id"}
    stage_history: list[dict[str, Any]] = field(compare=False)
    #: id -> number of the runs that worked on it, newest first
    pipeline_runs: dict[UUID, int] = field(compare=False)
    _links: list[dict[str, Any]] = field(compare=False, repr=False)
    _transport: Transport = field(compare=False, repr=False)

    @property
    def version(self) -> str:
        """The version's name: its number as text, unless it was given one."""
        return self.name

    @property
    def model_artifacts(self) -> dict[str, ArtifactVersion]:
        """What is linked as a model, by output name; the newest where there are several."""
        return self._linked("model")

    @property
    def data_artifacts(self) -> dict[str, ArtifactVersion]:
        """What is linked as plain data, by output name; the newest where there are several."""
        return self._linked("", "data")

    @property
    def deployment_artifacts(self) -> dict[str, ArtifactVersion]:
        """What is linked as a service, by output name; the newest where there are several."""
        return self._linked("service")

    def get_artifact(self, name: str, version: str | int | None = None) -> ArtifactVersion:
        """Return what is linked under an output's or artifact's name: one version of it, or the newest.

        Raises:
            KeyError: Nothing of that name is linked.
        """
        asked = {"model": self.model.name, "version": str(self.id), "name": name}
        return artifactversion.artifact_version(
            self._transport.ask("model.artifact", **asked, artifact_version=_text(version)), self._transport
        )

    get_model_artifact = get_data_artifact = get_deployment_artifact = get_artifact

    def set_stage(self, stage: str, force: bool = False) -> ModelVersion:
        """Move the version to a stage and return it as it is then.

        One version at most is in staging, and one in production: with ``force`` the one that is there is archived.

        Raises:
            UsageError: There is no such stage.
            Conflict: Another version is in it and ``force`` is False.
        """
        named = {"model": self.model.name, "version": str(self.id)}
        return version(self._transport.ask("model.stage", **named, stage=str(stage), force=force), self._transport)

    def log_metadata(self, metadata: Mapping[str, Any]) -> ModelVersion:
        """Add facts and return the version as it is then; a name that is there already gets the new value.

        Raises:
            TypeError: A value has no JSON form.
        """
        facts = jsonable.clean_metadata(dict(metadata))
        named = {"model": self.model.name, "version": str(self.id)}
        return version(self._transport.ask("model.metadata", **named, metadata=facts), self._transport)

    def link(self, artifact: ArtifactVersion) -> ModelVersion:
        """Link a stored artifact version and return the model version as it is then."""
        named = {"model": self.model.name, "version": str(self.id)}
        return version(self._transport.ask("model.link", **named, artifact=str(artifact.id)), self._transport)

    def _linked(self, *kinds: str) -> dict[str, ArtifactVersion]:
        return {
            link["name"]: artifactversion.artifact_version(link["artifact"], self._transport)
            for link in self._links
            if link["kind"] in kinds
        }


class ModelCalls:
    """The calls of ``Client`` about models."""

    if TYPE_CHECKING:
        _transport: Any

        def _pages(self, operation: str, limit: int, **filters: Any) -> Iterator[dict[str, Any]]: ...

    def get_model(self, name_or_id: str | UUID) -> ModelInfo:
        """Return a model.

        Raises:
            KeyError: There is none (``errors.NotFound`` too).
        """
        return _model(self._transport.ask("model.get", ref=str(name_or_id)))

    def list_models(self, name: str | None = None, *, limit: int = 50) -> Page:
        """Return models by name; with ``name`` those that have this text in theirs."""
        return Page(_model(row) for row in self._pages("model.list", limit, name=name))

    def get_model_version(
        self,
        model_name_or_id: str | UUID,
        model_version_name_or_number_or_id: str | int | UUID | None = None,
    ) -> ModelVersion:
        """Return a model's version by number, name, id or stage; the newest when none is given.

        Raises:
            KeyError: There is no such model or version (``errors.NotFound`` too).
        """
        return find(self._transport, str(model_name_or_id), model_version_name_or_number_or_id)

    def list_model_versions(self, model: str | UUID, *, stage: str | None = None, limit: int = 50) -> Page:
        """Return a model's versions, newest first, in one stage or all.

        Raises:
            KeyError: There is no such model.
        """
        rows = self._pages("model.versions", limit, model=str(model), stage=_text(stage))
        return Page(find(self._transport, str(model), row["id"]) for row in rows)


def find(transport: Transport, model: str, ref: str | int | UUID | None = None) -> ModelVersion:
    """Return a model's version by number, name, id or stage; the newest for None.

    Raises:
        NotFound: There is no such model or version.
    """
    asked = LATEST if ref is None else str(ref)
    return version(transport.ask("model.version", model=model, version=asked), transport)


def version(told: Mapping[str, Any], transport: Transport) -> ModelVersion:
    """Return an answer as an object."""
    return ModelVersion(
        id=UUID(str(told["id"])),
        model=_model(told["about_model"]),
        name=told["version"],
        number=told["number"],
        stage=told["stage"],
        run_metadata=dict(told["metadata"]),
        tags=list(told["tags"]),
        created_at=datetime.fromisoformat(told["created_at"]),
        stage_history=list(told["stage_history"]),
        pipeline_runs={UUID(str(run["id"])): run["number"] for run in told["runs"]},
        _links=list(told["artifacts"]),
        _transport=transport,
    )


def _model(told: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(
        id=UUID(str(told["id"])),
        name=told["name"],
        description=told["description"],
        license=told["license"],
        tags=list(told["tags"]),
        n_versions=told["n_versions"],
        latest_version=told["latest_version"],
        stages=dict(told["stages"]),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
