"""What a running step knows about itself: its run, its inputs, and where its outputs' facts are collected."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from stepwell.errors import UsageError
from stepwell.sdk import jsonable


class Channel(Protocol):
    """Where frames for the supervisor go."""

    def send(self, frame: dict[str, Any], /) -> None:
        """Send one frame, waiting while the other side is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRef:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRef:
    """The run the step belongs to; ``number`` counts from 1."""

    id: str
    name: str
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRunRef:
    """The step of this run; ``attempt`` counts from 1 up to ``max_attempts``."""

    id: str
    name: str
    attempt_id: str = ""
    attempt: int = 1
    max_attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRef:
    """A stored value the step takes in."""

    id: str
    name: str
    uri: str
    type: str = ""


@dataclass(slots=True, kw_only=True)
class OutputNotes:
    """What the step's code said about one of its outputs while it ran."""

    metadata: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class StepContext:
    """The running step. Get it with ``get_step_context()``; it is the same in every thread of the step."""

    pipeline: PipelineRef
    pipeline_run: RunRef
    step_run: StepRunRef
    step_name: str
    inputs: dict[str, InputRef | list[InputRef]] = field(default_factory=dict)
    model: Any = None
    #: the open run of an experiment tracker
    tracker: Any = None
    pipeline_state: Any = None
    #: artifact names by output name, in the order of the step's signature
    output_names: dict[str, str | None] = field(default_factory=dict)
    notes: dict[str, OutputNotes] = field(default_factory=dict)
    #: inside a hook: the id of what it is called for, the same when it is called again for it
    event_id: str | None = None
    draft: Path | None = None
    channel: Channel | None = None
    _pid: int = field(default_factory=os.getpid)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add_output_metadata(self, metadata: dict[str, Any], output_name: str | None = None) -> None:
        """Add facts to an output; the name may be left out when there is only one.

        Raises:
            TypeError: A value has no JSON form.
            UsageError: There is no such output, or several and no name.
        """
        cleaned = jsonable.clean_metadata(metadata)
        with self._lock:
            self._notes(output_name).metadata.update(cleaned)

    def add_output_tags(self, tags: Iterable[str], output_name: str | None = None) -> None:
        """Add tags to an output; the name may be left out when there is only one.

        Raises:
            TypeError: A tag is no text.
            UsageError: There is no such output, or several and no name.
        """
        wanted = [tags] if isinstance(tags, str) else list(tags)
        if not all(isinstance(tag, str) and tag for tag in wanted):
            raise TypeError("Tags are non-empty text.")
        with self._lock:
            kept = self._notes(output_name).tags
            kept.extend(tag for tag in dict.fromkeys(wanted) if tag not in kept)

    def get_output_artifact_uri(self, output_name: str | None = None) -> str:
        """Return a folder whose files are stored with the output.

        Raises:
            UsageError: There is no such output, or several and no name.
        """
        name = self.resolve_output(output_name)
        if self.draft is None:
            raise UsageError(f"The step {self.step_name} stores no outputs here.")
        folder = self.draft / name
        folder.mkdir(exist_ok=True)
        return str(folder)

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame to the supervisor; threads take turns.

        Raises:
            RuntimeError: This is a process the step started, which has no line to the supervisor.
        """
        if os.getpid() != self._pid:
            raise RuntimeError("Only the step's own process can do this, not one it started.")
        if self.channel is not None:
            with self._lock:
                self.channel.send(frame)

    def resolve_output(self, output_name: str | None) -> str:
        """Return the output named by its own or its artifact's name; the only one when no name is given.

        Raises:
            UsageError: There is no such output, or several and no name.
        """
        known = ", ".join(self.output_names) or "none"
        if output_name is None:
            if len(self.output_names) != 1:
                raise UsageError(f"Which output? The step {self.step_name} has: {known}.", hint="Pass its name.")
            return next(iter(self.output_names))
        for name, artifact_name in self.output_names.items():
            if output_name in (name, artifact_name):
                return name
        raise UsageError(f"The step {self.step_name} has no output {output_name!r}; it has: {known}.")

    def _notes(self, output_name: str | None) -> OutputNotes:
        return self.notes.setdefault(self.resolve_output(output_name), OutputNotes())


_current: StepContext | None = None


def enter(context: StepContext | None) -> None:
    """Make ``context`` the one of this process; None leaves it."""
    # not a contextvar: threads a step starts must find it, and a step process runs one step
    global _current
    _current = context


def current() -> StepContext | None:
    """Return the running step's context, None outside of steps."""
    return _current


def get_step_context() -> StepContext:
    """Return the context of the running step.

    Raises:
        RuntimeError: No step is running in this process.

    Example:
        >>> @step
        ... def train() -> float:
        ...     print(get_step_context().pipeline_run.name)
        ...     return 0.9
    """
    if _current is None:
        raise RuntimeError("get_step_context() works inside a running step only.")
    return _current
