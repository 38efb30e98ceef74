"""Words of the SDK that come from a fixed list: where a step runs, what an artifact is."""

from __future__ import annotations

from enum import StrEnum

from stepwell.errors import ConfigError


class StepRuntime(StrEnum):
    """Where a step of a dynamic pipeline runs: in the process of the body, or (the default) in one of its own."""

    #: in the process of the pipeline's body
    INLINE = "inline"
    #: in a process of its own
    ISOLATED = "isolated"


class ArtifactType(StrEnum):
    """What an artifact is to people."""

    DATA_ANALYSIS = "DataAnalysisArtifact"
    MODEL = "ModelArtifact"
    DATA = "DataArtifact"
    STATISTICS = "StatisticsArtifact"
    SCHEMA = "SchemaArtifact"
    SERVICE = "ServiceArtifact"
    BASE = "BaseArtifact"


def kind_of(given: object) -> str:
    """Return the one form an artifact type is stored in (``model``); empty where none is given.

    Raises:
        ConfigError: There is no such type.
    """
    if given is None:
        return ""
    text = str(given)
    for member in ArtifactType:
        if text.lower() in (member.name.lower(), member.value.lower()):
            return member.name.lower()
    known = ", ".join(member.name for member in ArtifactType)
    raise ConfigError(f"An artifact's type is {text[:80]!r}.", hint=f"The types are: {known}.")


class ExecutionStatus(StrEnum):
    """The statuses of runs and steps, to compare with: ``run.status == ExecutionStatus.COMPLETED``."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CACHED = "cached"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to what has this status."""
        return self in _FINISHED

    @property
    def is_successful(self) -> bool:
        """Whether there is a result."""
        return self in (ExecutionStatus.COMPLETED, ExecutionStatus.CACHED)


_FINISHED = frozenset({"completed", "cached", "failed", "cancelled", "skipped"})
