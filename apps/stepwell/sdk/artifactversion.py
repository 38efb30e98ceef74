"""Stored artifact versions as ``Client`` and a run give them back: facts to read, and ``load()``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from stepwell.sdk import context

if TYPE_CHECKING:
    from stepwell.sdk.client_local import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactVersion:
    """One stored version of an artifact. Equal when it is the same version."""

    id: UUID
    name: str = field(compare=False)
    version: str = field(compare=False)
    number: int = field(compare=False, repr=False)
    #: printable type of the value, for example ``pandas.DataFrame``
    type: str = field(compare=False)
    #: the folder below the artifact store's root
    uri: str = field(compare=False, repr=False)
    size: int = field(compare=False, repr=False)
    sha256: str = field(compare=False, repr=False)
    materializer: str = field(compare=False, repr=False)
    run_metadata: dict[str, Any] = field(compare=False, repr=False)
    tags: list[str] = field(compare=False, repr=False)
    created_at: datetime = field(compare=False, repr=False)
    #: the run and the step that made it; None when no run did
    run_id: UUID | None = field(compare=False, repr=False)
    step: str | None = field(compare=False, repr=False)
    _transport: Transport = field(compare=False, repr=False)

    #: it may be an argument of a step or pipeline
    is_stored_reference: ClassVar[bool] = True

    @property
    def version_id(self) -> UUID:
        """The same as ``id``: what a step or pipeline that is given this version takes in."""
        return self.id

    def __getitem__(self, place: int | slice) -> Any:
        """Return this version: outputs may be written as lists of one, ``step.outputs["model"][0]``, as ZenML has them.

        Raises:
            IndexError: The place is neither 0 nor -1.
        """
        return [self][place]

    def __iter__(self) -> Iterator[ArtifactVersion]:
        return iter([self])

    def __len__(self) -> int:
        return 1

    def load(self) -> Any:
        """Return the value, a new copy each time, after its bytes were checked.

        Loading may run code the value was stored with. In a running step the version counts among its inputs then.

        Raises:
            ArtifactError: The data is missing, damaged, or its class is not part of this code.
        """
        from stepwell.sdk.materializers import storing

        said = {
            "id": self.id,
            "artifact": self.name,
            "version": self.version,
            "uri": self.uri,
            "size": self.size,
            "sha256": self.sha256,
        }
        with self._transport.open_files(said) as folder:
            value = storing.load(folder, materializer=self.materializer, type_name=self.type)
        self._note_loaded()
        return value

    def _note_loaded(self) -> None:
        step = context.current()
        if step is None or (str(self.run_id), self.step) == (step.pipeline_run.id, step.step_name):
            return
        with suppress(RuntimeError):  # a process that the step started has no line of its own
            step.send({"t": "loaded", "artifact": str(self.id)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A name under which versions are stored."""

    id: UUID
    name: str
    n_versions: int
    latest_version: str


def artifact_version(told: Mapping[str, Any], transport: Transport) -> ArtifactVersion:
    """Return an answer as an object."""
    return ArtifactVersion(
        id=UUID(str(told["id"])),
        name=told["artifact"],
        version=told["version"],
        number=told["number"],
        type=told["type"],
        uri=told["uri"],
        size=told["size"],
        sha256=told["sha256"],
        materializer=told["materializer"],
        run_metadata=dict(told["metadata"]),
        tags=list(told["tags"]),
        created_at=datetime.fromisoformat(told["created_at"]),
        run_id=UUID(str(told["run_id"])) if told["run_id"] else None,
        step=told["step"],
        _transport=transport,
    )
