"""The import path ``stepwell.enums`` of the words that come from a fixed list."""

from __future__ import annotations

from stepwell.core.stages import ModelStages
from stepwell.core.status import ExecutionMode
from stepwell.sdk.kinds import ArtifactType, ExecutionStatus, StepRuntime
from stepwell.sdk.materializers.base import VisualizationType

__all__ = ["ArtifactType", "ExecutionMode", "ExecutionStatus", "ModelStages", "StepRuntime", "VisualizationType"]
