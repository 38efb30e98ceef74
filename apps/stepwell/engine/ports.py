"""The seams of the engine: what it asks of the place it runs in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from stepwell.core.status import ExecutionMode, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """What the scheduler needs to know of a run."""

    id: UUID
    status: RunStatus
    mode: ExecutionMode
    has_failure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStep:
    """A pending step and the statuses of the steps it waits for, by invocation id."""

    id: UUID
    invocation_id: str
    upstream: dict[str, str]


class RunStore(Protocol):
    """Stored runs. Each method is one short statement or a few; the caller opens the transaction."""

    def transaction(self) -> AbstractContextManager[Any]: ...

    def read_run(self, run_id: UUID) -> RunView: ...

    def waiting_steps(
        self, run_id: UUID, *, after: list[UUID] | None, only: list[UUID] | None = None
    ) -> list[WaitingStep]:
        """Return pending steps in call order; when given, only those directly below ``after``, or only ``only``.

        Below a step is also what had to wait for its place under a limit.
        """

    def find_cached(self, step_id: UUID) -> UUID | None:
        """Return the step whose outputs serve as this one's, and record why there is one or none."""

    def mark_cached(self, step_id: UUID, *, origin: UUID) -> None: ...

    def has_room(self, step_id: UUID) -> bool:
        """Return whether no limit on steps of this name keeps it waiting."""

    def queue_step(self, step_id: UUID) -> None:
        """Make the step's first attempt and let a worker know once the transaction is stored."""

    def skip_step(self, step_id: UUID, *, reason: str) -> None: ...

    def cancel_open_steps(self, run_id: UUID, *, reason: str) -> None:
        """Cancel every step of the run that no worker holds."""

    def has_open_steps(self, run_id: UUID) -> bool: ...

    def step_statuses(self, run_id: UUID) -> set[str]: ...

    def start_cleanup(self, run_id: UUID) -> bool:
        """Queue the run's clean-up if it waits; return whether it is still to end. Other methods leave it out."""

    def finish_run(self, run_id: UUID, status: RunStatus) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """An exception as data: what a step process says of it, masked before it is stored."""

    type: str
    message: str
    traceback: str = ""
    where: str = ""
    #: False: trying again cannot help (KeyboardInterrupt, SystemExit, a bug in the definition)
    retryable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """One process to fork from a step host. ``payload`` is for the step process; the engine does not read it."""

    kind: str
    attempt_id: str
    payload: dict[str, Any]
    environment: dict[str, str]
    #: limit on the data segment of each process, in bytes
    memory_bytes: int | None = None
    #: how many processes it may have below it before all of them are ended; 0: any number
    most_processes: int = 0
    #: a folder for temporary files, made for the process and removed after it
    temp_folder: str = ""
    work_folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt ended. ``status`` is a terminal ``core.status.AttemptStatus``."""

    status: str
    reason: str = ""
    error: ErrorInfo | None = None
    exit_code: int | None = None
    signal: int | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    #: the ``result`` frame of a completed attempt
    result: dict[str, Any] = field(default_factory=dict)


class Watcher(Protocol):
    """What the supervisor tells the store while an attempt runs. Calls come from the supervising thread."""

    def started(self, *, pid: int) -> None: ...

    def beat(self, *, progress: dict[str, Any] | None, log_bytes: int, log_lines: int) -> str:
        """Store a heartbeat.

        Return ``go``, ``cancel`` (a person asked), ``stop`` (shutdown) or ``lost`` (the attempt is no longer ours).
        """

    def frame(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        """Take a frame that is neither lifecycle nor result (metadata, hook, event, call); return an answer or None."""

    def result(self, outcome: Outcome) -> Outcome | None:
        """Publish: called once, as soon as the outcome is known, before the process runs its last hooks.

        Return the outcome that was stored in place of this one (what was made could not be stored as asked; or
        ``interrupted``, when the attempt is not ours any more), or None when it was stored as it is.
        """
