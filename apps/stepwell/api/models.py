"""Models: list and look at them and their versions, promote a version."""

from __future__ import annotations

from django.db import transaction
from ninja import Path, Query, Router

from stepwell.accounts import audit
from stepwell.accounts.models import Role
from stepwell.api.answers import answers, only_query
from stepwell.api.auth import ApiRequest, needs
from stepwell.artifacts import model_actions, model_queries
from stepwell.core.wire_artifacts import ArtifactVersionDetail
from stepwell.core.wire_models import (
    ModelArtifactRef,
    ModelDetail,
    ModelFilters,
    ModelLink,
    ModelMetadata,
    ModelPage,
    ModelVersionDetail,
    ModelVersionFilters,
    ModelVersionPage,
    Promotion,
)
from stepwell.execution import artifacts, model_reading

router = Router(tags=["Models"], auth=needs(Role.VIEWER))


@router.get("", response=answers(ModelPage), summary="List models by name")
def list_models(request: ApiRequest, filters: Query[ModelFilters]) -> ModelPage:
    only_query(request, ModelFilters)
    return model_reading.list_models(filters)


@router.get("/{ref}", response=answers(ModelDetail, 404), summary="Get a model by name or id")
def get_model(request: ApiRequest, ref: Path[str]) -> ModelDetail:
    return model_reading.model_detail(model_queries.get_model(ref))


@router.get("/{ref}/versions", response=answers(ModelVersionPage, 404), summary="List a model's versions, newest first")
def list_versions(request: ApiRequest, ref: Path[str], filters: Query[ModelVersionFilters]) -> ModelVersionPage:
    only_query(request, ModelVersionFilters)
    return model_reading.list_versions(model_queries.get_model(ref), filters)


@router.get(
    "/{ref}/versions/{version}",
    response=answers(ModelVersionDetail, 404),
    summary="Get a version by number, name, id or stage",
    description="“latest” is the newest version, “production” the one in production.",
)
def get_version(request: ApiRequest, ref: Path[str], version: Path[str]) -> ModelVersionDetail:
    return model_reading.model_version_detail(model_queries.get_version(ref, version))


@router.post(
    "/{ref}/versions/{version}/stage",
    response=answers(ModelVersionDetail, 404, 409),
    auth=needs(Role.OPERATOR),
    summary="Move a version to a stage",
    description="One version at most is in staging, and one in production; “force” archives the one that is there.",
)
def promote(request: ApiRequest, ref: Path[str], version: Path[str], body: Promotion) -> ModelVersionDetail:
    found = model_queries.get_version(ref, version)
    token = request.auth.token
    with transaction.atomic():
        moved = model_actions.set_stage(found, body.stage, force=body.force, by=request.auth.user, reason=body.reason)
        audit.record(
            actor=request.auth.user,
            action="model.promoted",
            object_kind="model_version",
            object_id=found.id,
            object_name=str(found),
            ip=request.META.get("REMOTE_ADDR"),
            before={"stage": str(found.stage)},
            after={"stage": str(moved.stage), **({"token": token.name} if token else {})},
        )
    return model_reading.model_version_detail(moved)


@router.get(
    "/{ref}/versions/{version}/artifact",
    response=answers(ArtifactVersionDetail, 404),
    summary="Find what is linked to a version by its name",
    description="“name” is an output's or an artifact's; of several the newest is taken.",
)
def find_artifact(
    request: ApiRequest, ref: Path[str], version: Path[str], filters: Query[ModelArtifactRef]
) -> ArtifactVersionDetail:
    only_query(request, ModelArtifactRef)
    found = model_queries.get_version(ref, version)
    return artifacts.version_detail(model_queries.get_artifact(found, filters.name, filters.artifact_version))


@router.post(
    "/{ref}/versions/{version}/artifacts",
    response=answers(ModelVersionDetail, 404),
    auth=needs(Role.OPERATOR),
    summary="Link a stored artifact version to a version",
)
def link_artifact(request: ApiRequest, ref: Path[str], version: Path[str], body: ModelLink) -> ModelVersionDetail:
    found = model_queries.get_version(ref, version)
    model_actions.link_artifact(found, artifacts.find_version(body.artifact))
    return model_reading.model_version_detail(found)


@router.post(
    "/{ref}/versions/{version}/metadata",
    response=answers(ModelVersionDetail, 404),
    auth=needs(Role.OPERATOR),
    summary="Add facts to a version",
    description="A name that is there already gets the new value.",
)
def log_metadata(request: ApiRequest, ref: Path[str], version: Path[str], body: ModelMetadata) -> ModelVersionDetail:
    found = model_queries.get_version(ref, version)
    return model_reading.model_version_detail(model_actions.add_metadata(found, body.metadata))
