"""What the API and ``Client`` take and give about artifacts, secrets, metadata and tags."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from stepwell.core.plan import Wire
from stepwell.core.wire import Answer, Limit, Tag

#: the most bytes of a file one part of an upload carries, in base64
PART_LIMIT = 1024 * 1024
_Name = Field(min_length=1, max_length=500)


class ArtifactFilters(Wire):
    """Which artifacts to list, by name. ``name``: only those with this text in it."""

    name: str | None = Field(default=None, max_length=500)
    #: ``next_cursor`` of the page before
    cursor: str | None = Field(default=None, max_length=500)
    limit: Limit = 50


class VersionFilters(Wire):
    """Which artifact versions to list, newest first."""

    #: the whole name of an artifact
    artifact: str | None = Field(default=None, max_length=500)
    tag: str | None = Field(default=None, max_length=100)
    #: made by this run: number, id, beginning of an id, or name
    run: str | None = Field(default=None, max_length=255)
    #: ``next_cursor`` of the page before
    cursor: UUID | None = None
    limit: Limit = 50


class VersionRef(Wire):
    """One artifact version: by its id or the beginning of it, or by the artifact's name and ``version``."""

    ref: str = _Name
    #: None: the newest
    version: str | None = Field(default=None, max_length=255)


class NewVersion(Wire):
    """A version of an artifact to store. ``upload``: what its files were uploaded under."""

    artifact: str = _Name
    #: None: the next number
    version: str | None = Field(default=None, min_length=1, max_length=255)
    upload: str = Field(pattern=r"^[0-9a-f]{24}([0-9a-f]{16})?$")
    type: str = Field(default="Any", max_length=255)
    materializer: str = Field(max_length=255)
    metadata: dict[str, Any] = Field(default={})
    visualizations: list[dict[str, Any]] = Field(default=[], max_length=100)
    tags: list[Tag] = Field(default=[], max_length=50)
    #: an equal content that is stored under this name already is taken instead
    reuse: bool = False


class UploadPart(Wire):
    """Bytes that follow what was uploaded of ``file`` so far."""

    file: str = Field(min_length=1, max_length=1000)
    offset: int = Field(ge=0, lt=2**63)
    #: base64
    content: str = Field(max_length=PART_LIMIT)


class Target(Wire):
    """What metadata or tags are put on: a run, one of its steps, or an artifact version."""

    #: number, id, beginning of an id, or name
    run: str | None = Field(default=None, max_length=255)
    #: with ``run``: the step's invocation id
    step: str | None = Field(default=None, max_length=255)
    step_id: UUID | None = None
    #: name, id, or beginning of an id
    artifact: str | None = Field(default=None, max_length=500)
    artifact_version: str | None = Field(default=None, max_length=255)

    @model_validator(mode="after")
    def _one_of_them(self) -> Target:
        if sum(one is not None for one in (self.run, self.step_id, self.artifact)) != 1:
            raise ValueError("Name one of run, step_id and artifact.")
        if self.step is not None and self.run is None:
            raise ValueError("A step is named together with its run.")
        return self


class MetadataToLog(Wire):
    target: Target
    metadata: dict[str, Any] = Field(max_length=1000)


class TagsToChange(Wire):
    """Tags to put on or take off a run or an artifact version."""

    target: Target
    add: list[Tag] = Field(default=[], max_length=50)
    #: also those that code gave a run and that would not be taken here
    remove: list[Annotated[str, StringConstraints(strip_whitespace=True)]] = Field(default=[], max_length=50)


class SecretToStore(Wire):
    """A secret's values: each key becomes an environment variable. They are never given out again."""

    values: dict[str, str] = Field(min_length=1, max_length=50)


class NewSecret(SecretToStore):
    name: str = Field(min_length=1, max_length=200)


class ArtifactSummary(Answer):
    id: UUID
    name: str
    n_versions: int
    latest_version: str
    created_at: datetime


class ArtifactPage(Answer):
    items: list[ArtifactSummary]
    next_cursor: str | None


class ArtifactVersionDetail(Answer):
    id: UUID
    artifact: str
    version: str
    #: counts 1, 2, 3 whatever ``version`` says
    number: int
    type: str
    size: int
    sha256: str
    uri: str
    materializer: str
    metadata: dict[str, Any]
    visualizations: list[Any]
    tags: list[str]
    created_at: datetime
    #: who made it; None when no run did, or it is gone
    run_id: UUID | None
    run_number: int | None
    step: str | None


class ArtifactVersionPage(Answer):
    items: list[ArtifactVersionDetail]
    next_cursor: UUID | None


class SecretDetail(Answer):
    """A secret without its values."""

    id: UUID
    name: str
    keys: list[str]
    version: int
    set_at: datetime


class SecretList(Answer):
    items: list[SecretDetail]


class Upload(Answer):
    upload: str


class Done(Answer):
    done: Literal[True] = True
