"""What a step operator is: it runs one attempt somewhere else and brings back what the attempt says.

Heartbeats, time limits, cancellation, masking, logs and the result are the supervisor's, the same for every operator:
it drives an operator through ``OperatorHost`` as it drives a step host.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from stepwell.engine.ports import LaunchSpec
from stepwell.engine.stephost import Launched


class Phase(StrEnum):
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One attempt. ``launch`` has its id, environment, limits, and the payload that says which step and inputs."""

    launch: LaunchSpec
    #: the folder with the run's code, and the file in it to import
    code_root: Path
    entry_file: str


@dataclass(slots=True, kw_only=True)
class Handle:
    """A submitted attempt. An operator adds what it needs to find it again."""

    attempt_id: str
    #: the supervisor's ends: output, frames, and the control of the attempt's processes
    channels: Launched


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """Part of what the place itself printed, not the step; go on reading with ``cursor``."""

    content: bytes
    cursor: int


class StepOperator(Protocol):
    """Runs attempts somewhere. One object serves one attempt at a step and the hook that may follow."""

    def environment(self) -> dict[str, str]:
        """Return the variables that processes there start with, below those of the step."""

    def submit(self, submission: Submission) -> Handle:
        """Start an attempt and return without waiting for it.

        Raises:
            Unavailable: The place cannot be reached now.
        """

    def poll(self, handle: Handle) -> Phase:
        """Return whether anything of the attempt is still there."""

    def cancel(self, handle: Handle) -> None:
        """End everything of the attempt by force. It may be called again, and after the end."""

    def logs(self, handle: Handle, cursor: int = 0) -> Printed:
        """Return what the place printed from ``cursor`` on, for example why it could not start."""


class OperatorHost:
    """An operator in the place of a step host, for a ``Supervision``."""

    def __init__(self, operator: StepOperator, *, code_root: Path, entry_file: str) -> None:
        self._operator = operator
        self._code_root = code_root
        self._entry_file = entry_file
        self._handles: list[Handle] = []

    def launch(self, spec: LaunchSpec) -> Launched:
        """Submit an attempt.

        Raises:
            Unavailable: The place cannot be reached.
        """
        submission = Submission(launch=spec, code_root=self._code_root, entry_file=self._entry_file)
        handle = self._operator.submit(submission)
        self._handles.append(handle)
        return handle.channels

    def last_words(self) -> bytes:
        """Return what the place printed, for an attempt that never started."""
        return self._operator.logs(self._handles[-1]).content if self._handles else b""

    def end_left_behind(self, *, session: int, attempt_id: str) -> bool:
        """End what is left of an attempt whose place died; return whether nothing is."""
        left = [handle for handle in self._handles if handle.attempt_id == attempt_id]
        for handle in left:
            self._operator.cancel(handle)
        return all(self._operator.poll(handle) == Phase.ENDED for handle in left)

    def close(self) -> None:
        """End everything that was submitted."""
        for handle in self._handles:
            self._operator.cancel(handle)
        self._handles.clear()
