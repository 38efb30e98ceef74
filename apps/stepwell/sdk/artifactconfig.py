"""How an output is stored: given inside ``Annotated`` in a step's return annotation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stepwell.sdk.kinds import ArtifactType, kind_of


@dataclass(frozen=True)
class ArtifactConfig:
    """Name, version, tags and metadata of an output, and what it is.

    ``is_model_artifact=True`` is short for ``artifact_type=ArtifactType.MODEL``, ``is_deployment_artifact=True`` for
    ``SERVICE``.

    Raises:
        ConfigError: There is no such artifact type.

    Example:
        @step
        def train() -> Annotated[float, ArtifactConfig(name="score", tags=["nightly"])]: ...
    """

    name: str | None = None
    version: str | int | None = None
    tags: list[str] = field(default_factory=list)
    run_metadata: dict[str, Any] = field(default_factory=dict)
    artifact_type: ArtifactType | str | None = None
    is_model_artifact: bool = False
    is_deployment_artifact: bool = False

    def __post_init__(self) -> None:
        kind_of(self.artifact_type)

    @property
    def kind(self) -> str:
        """The artifact type in the form it is stored in; empty for plain data."""
        if self.artifact_type is not None:
            return kind_of(self.artifact_type)
        return "model" if self.is_model_artifact else "service" if self.is_deployment_artifact else ""
