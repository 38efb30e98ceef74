"""How an output is stored: given inside ``Annotated`` in a step's return annotation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ArtifactConfig:
    """Name, version, tags and metadata of an output.

    Example:
        @step
        def train() -> Annotated[float, ArtifactConfig(name="score", tags=["nightly"])]: ...
    """

    name: str | None = None
    version: str | int | None = None
    tags: list[str] = field(default_factory=list)
    run_metadata: dict[str, Any] = field(default_factory=dict)
    artifact_type: str | None = None
    is_model_artifact: bool = False
