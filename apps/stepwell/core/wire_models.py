"""What the API and ``Client`` take and give about models and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from stepwell.core.plan import Wire
from stepwell.core.stages import ModelStages
from stepwell.core.wire import Answer, Limit
from stepwell.core.wire_artifacts import ArtifactVersionDetail


class ModelFilters(Wire):
    """Which models to list, by name. ``name``: only those with this text in it."""

    name: str | None = Field(default=None, max_length=255)
    #: ``next_cursor`` of the page before
    cursor: str | None = Field(default=None, max_length=255)
    limit: Limit = 50


class ModelVersionFilters(Wire):
    """Which versions of a model to list, newest first."""

    stage: ModelStages | None = None
    #: ``next_cursor`` of the page before
    cursor: int | None = Field(default=None, ge=1, lt=2**31)
    limit: Limit = 50


class Promotion(Wire):
    """A stage to move a model version to. ``force``: a version that holds the stage is archived."""

    stage: str = Field(min_length=1, max_length=16)
    force: bool = False
    reason: str = Field(default="", max_length=500)


class ModelArtifactRef(Wire):
    """What is linked to a model version, by an output's or an artifact's name."""

    name: str = Field(min_length=1, max_length=500)
    #: None: the newest
    artifact_version: str | None = Field(default=None, max_length=255)


class ModelLink(Wire):
    #: name of the artifact, id of the version, or the beginning of it
    artifact: str = Field(min_length=1, max_length=500)


class ModelMetadata(Wire):
    metadata: dict[str, Any] = Field(max_length=1000)


class ModelSummary(Answer):
    id: UUID
    name: str
    description: str
    license: str
    tags: list[str]
    created_at: datetime
    n_versions: int
    #: the newest version's name; None when there is none
    latest_version: str | None
    #: stage -> the name of the version that is in it
    stages: dict[str, str]


class ModelDetail(ModelSummary):
    #: audience, use_cases, limitations, trade_offs, ethics, where they were given
    about: dict[str, str]


class ModelPage(Answer):
    items: list[ModelSummary]
    next_cursor: str | None


class ModelVersionSummary(Answer):
    id: UUID
    model: str
    model_id: UUID
    #: the number as text, or the name a run gave it
    version: str
    #: counts 1, 2, 3 within the model
    number: int
    stage: str
    tags: list[str]
    created_at: datetime


class ModelVersionPage(Answer):
    items: list[ModelVersionSummary]
    next_cursor: int | None


class ModelArtifactLink(Answer):
    #: the output it was linked as
    name: str
    #: what it is to people: ``model``, ``service``, ...; empty is plain data
    kind: str
    artifact: ArtifactVersionDetail


class ModelRunLink(Answer):
    id: UUID
    number: int
    pipeline: str
    status: str


class StageMove(Answer):
    old: str
    new: str
    at: datetime
    by: str
    reason: str
    run_id: UUID | None


class ModelVersionDetail(ModelVersionSummary):
    about_model: ModelSummary
    metadata: dict[str, Any]
    artifacts: list[ModelArtifactLink]
    runs: list[ModelRunLink]
    #: newest first
    stage_history: list[StageMove]
