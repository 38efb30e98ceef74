"""The operations on models: finding versions and what is linked to them, promotion, metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stepwell.artifacts import model_actions, model_queries
from stepwell.core.wire_artifacts import ArtifactVersionDetail
from stepwell.core.wire_models import (
    ModelDetail,
    ModelFilters,
    ModelMetadata,
    ModelPage,
    ModelVersionDetail,
    ModelVersionFilters,
    ModelVersionPage,
    Promotion,
)
from stepwell.execution import artifacts, model_reading

if TYPE_CHECKING:
    from stepwell.execution.calls import Asker


def model_list(asker: Asker, **filters: Any) -> ModelPage:
    return model_reading.list_models(ModelFilters.model_validate(filters))


def model_get(asker: Asker, *, ref: str) -> ModelDetail:
    return model_reading.model_detail(model_queries.get_model(ref))


def model_versions(asker: Asker, *, model: str, **filters: Any) -> ModelVersionPage:
    asked = ModelVersionFilters.model_validate(filters)
    return model_reading.list_versions(model_queries.get_model(model), asked)


def model_version(asker: Asker, *, model: str, version: str | int | None = None) -> ModelVersionDetail:
    """Find a version by name, number, stage or id; the newest one when none is given."""
    return model_reading.model_version_detail(model_queries.get_version(model, version))


def model_artifact(
    asker: Asker, *, model: str, version: str | int, name: str, artifact_version: str | int | None = None
) -> ArtifactVersionDetail:
    found = model_queries.get_version(model, version)
    return artifacts.version_detail(model_queries.get_artifact(found, name, artifact_version))


def model_stage(asker: Asker, *, model: str, version: str | int, **asked: Any) -> ModelVersionDetail:
    wanted = Promotion.model_validate(asked)
    moved = model_actions.set_stage(
        model_queries.get_version(model, version),
        wanted.stage,
        force=wanted.force,
        step=asker.claim.step if asker.claim else None,
        who="a script",
        reason=wanted.reason,
    )
    return model_reading.model_version_detail(moved)


def model_metadata(asker: Asker, *, model: str, version: str | int | None = None, **asked: Any) -> ModelVersionDetail:
    facts = ModelMetadata.model_validate(asked).metadata
    return model_reading.model_version_detail(
        model_actions.add_metadata(model_queries.get_version(model, version), facts)
    )


def model_link(asker: Asker, *, model: str, version: str | int, artifact: str) -> ModelVersionDetail:
    """Link an artifact version, by its id or its artifact's name, to a model version."""
    found = model_queries.get_version(model, version)
    model_actions.link_artifact(found, artifacts.find_version(artifact))
    return model_reading.model_version_detail(found)


READS: dict[str, Callable[..., Any]] = {
    "model.list": model_list,
    "model.get": model_get,
    "model.versions": model_versions,
    "model.version": model_version,
    "model.artifact": model_artifact,
}
#: models are shared: a step may do these to any, and the history says which step it was
ACTS: dict[str, Callable[..., Any]] = {
    "model.stage": model_stage,
    "model.metadata": model_metadata,
    "model.link": model_link,
}
