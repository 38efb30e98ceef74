"""What ``Client`` and a script's pipeline call give back: small objects to read, which load the rest when asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from stepwell.errors import RunFailed, UsageError
from stepwell.sdk.artifactversion import ArtifactVersion, artifact_version

if TYPE_CHECKING:
    from stepwell.sdk.client_local import Transport

_ENDED = frozenset({"completed", "failed", "cancelled"})


class Page(list[Any]):
    """A list; ``items`` is the list itself, as pages of other clients have it."""

    @property
    def items(self) -> Page:
        """The list itself."""
        return self

    @property
    def total(self) -> int:
        """How many are in this list; there may be more to ask for."""
        return len(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """A step of a run as it was when asked for. ``name`` is its invocation id."""

    id: UUID
    name: str
    status: str = field(compare=False)
    status_reason: str = field(compare=False)
    cache_reason: str = field(compare=False)
    run_metadata: dict[str, Any] = field(compare=False)
    started_at: datetime | None = field(compare=False)
    ended_at: datetime | None = field(compare=False)
    n_attempts: int = field(compare=False)
    _run: str = field(compare=False, repr=False)
    _transport: Transport = field(compare=False, repr=False)

    @property
    def outputs(self) -> dict[str, ArtifactVersion]:
        """What the step gave out, by output name."""
        return self._artifacts("output")

    @property
    def inputs(self) -> dict[str, ArtifactVersion]:
        """The stored values the step took in, by input name."""
        return self._artifacts("input")

    @property
    def output(self) -> ArtifactVersion:
        """The only output.

        Raises:
            UsageError: The step has none, or several.
        """
        outputs = self.outputs
        if len(outputs) != 1:
            known = ", ".join(outputs) or "none"
            raise UsageError(f"Step {self.name} has not one output; it has: {known}.", hint='Use .outputs["name"].')
        return next(iter(outputs.values()))

    def _artifacts(self, direction: str) -> dict[str, ArtifactVersion]:
        rows = self._transport.ask("step.artifacts", run=self._run, step=self.name)["items"]
        return {
            row["name"]: artifact_version(self._transport.ask("artifact.get", ref=row["id"]), self._transport)
            for row in rows
            if row["direction"] == direction
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """A run as it was when asked for; ``refresh()`` gives it as it is now."""

    id: UUID
    number: int = field(compare=False)
    name: str = field(compare=False)
    #: the pipeline's name
    pipeline: str = field(compare=False)
    status: str = field(compare=False)
    #: why it is in this status; empty when there is nothing to say
    reason: str = field(compare=False)
    _transport: Transport = field(compare=False, repr=False)
    _more: dict[str, Any] = field(compare=False, repr=False, default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters it ran with, as plain JSON."""
        return dict(self._detail()["parameters"])

    @property
    def tags(self) -> list[str]:
        """Its tags in the order of the alphabet."""
        return list(self._detail()["tags"])

    @property
    def run_metadata(self) -> dict[str, Any]:
        """What ``log_metadata`` put on the run itself."""
        return dict(self._detail()["metadata"])

    @property
    def trigger(self) -> str:
        """What started it: ``script``, ``browser``, ``api``, ``cli``, ``schedule`` or ``rerun``."""
        return str(self._detail()["trigger"])

    @property
    def parent_id(self) -> UUID | None:
        """The run this one repeats."""
        return _uuid(self._detail()["parent_id"])

    @property
    def created_at(self) -> datetime | None:
        """When it was stored, with a time zone."""
        return _moment(self._detail()["created_at"])

    @property
    def started_at(self) -> datetime | None:
        """When its first step began, with a time zone; None before that."""
        return _moment(self._detail()["started_at"])

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, with a time zone; None before that."""
        return _moment(self._detail()["ended_at"])

    @property
    def is_finished(self) -> bool:
        """Whether it had completed, failed or been cancelled when it was asked for."""
        return self.status in _ENDED

    @property
    def steps(self) -> dict[str, StepRun]:
        """Its steps as they are now, by invocation id, in the order they are called."""
        rows = self._transport.ask("step.list", run=str(self.id))["items"]
        return {
            row["invocation_id"]: step_run(row, run=str(self.id), transport=self._transport)
            for row in rows
            if row["kind"] == "step"
        }

    @property
    def outputs(self) -> dict[str, dict[str, ArtifactVersion]]:
        """What its steps gave out so far: by invocation id, then by output name."""
        return {name: step.outputs for name, step in self.steps.items()}

    def refresh(self) -> PipelineRun:
        """Return the run as it is now."""
        return pipeline_run(self._transport.ask("run.get", ref=str(self.id)), self._transport)

    def wait(self, *, timeout: float | None = None, poll: float = 0.5) -> PipelineRun:
        """Return the run once it has ended, however it ended.

        Args:
            timeout: seconds to wait at most; None waits as long as it takes.
            poll: seconds between two looks.

        Raises:
            TimeoutError: It had not ended by then.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        run = self.refresh()
        while not run.is_finished:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Run #{self.number} is still {run.status} after {timeout:g} seconds.")
            time.sleep(poll)
            run = run.refresh()
        return run

    def cancel(self) -> PipelineRun:
        """Ask the run to stop and return it as it is then.

        Raises:
            Conflict: It has ended already.
            Denied: This is a running step.
        """
        return pipeline_run(self._transport.ask("run.cancel", ref=str(self.id)), self._transport)

    def rerun(
        self,
        *,
        scope: str = "",
        from_steps: Sequence[str] = (),
        code: str = "as_run",
        parameters: Mapping[str, Any] | None = None,
        steps: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> PipelineRun:
        """Start a new run from this one and return it.

        Args:
            scope: ``whole``, ``failed`` to keep what completed, or ``steps`` to run ``from_steps`` and all below them;
                by default ``steps`` where ``from_steps`` are given, else ``whole``.
            from_steps: invocation ids to begin from.
            code: ``as_run``, or ``newest`` for the latest code that was kept.
            parameters: those to change; None keeps all.
            steps: options to change, by invocation id.

        Raises:
            Conflict: The scope is not ``whole`` and the run has not ended.
            UsageError: A parameter, a step or an option does not fit, or its code was not kept.
            Denied: This is a running step.
        """
        asked = {
            "ref": str(self.id),
            "scope": scope or ("steps" if from_steps else "whole"),
            "from_steps": list(from_steps),
            "code": code,
            "parameters": parameters,
            "steps": steps,
        }
        return pipeline_run(self._transport.ask("run.rerun", **asked), self._transport)

    def logs(self, *, follow: bool = True, poll: float = 0.3) -> Iterator[str]:
        """Yield the lines its steps print, each as ``step | line``; with ``follow`` until the run has ended."""
        from stepwell.sdk.followlogs import follow_logs

        return follow_logs(self, self._transport, follow=follow, poll=poll)

    def raise_for_status(self) -> None:
        """Do nothing when the run completed.

        Raises:
            RunFailed: It ended otherwise, or has not ended.
        """
        if self.status != "completed":
            said = f"Run #{self.number} is {self.status}"
            raise RunFailed(f"{said}: {self.reason}" if self.reason else f"{said}.", run=self)

    def _detail(self) -> dict[str, Any]:
        if not self._more:
            self._more.update(self._transport.ask("run.get", ref=str(self.id)))
        return self._more


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineInfo:
    """A registered pipeline."""

    id: UUID
    name: str
    docstring: str = field(compare=False)
    #: False: its code was not kept, so only a script can run it
    can_run: bool = field(compare=False)
    parameters_schema: dict[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretInfo:
    """A secret. Its values are at hand only in a step that declares it: ``secret_values`` reads them there."""

    id: UUID
    name: str
    keys: list[str]
    version: int

    @property
    def secret_values(self) -> dict[str, str]:
        """The values by key.

        Raises:
            Denied: This is not a running step that declares the secret.
        """
        from stepwell.sdk.secretvalues import read_values

        return read_values(self.name, self.keys)


def step_run(told: Mapping[str, Any], *, run: str, transport: Transport) -> StepRun:
    """Return an answer as an object."""
    return StepRun(
        id=UUID(str(told["id"])),
        name=told["invocation_id"],
        status=told["status"],
        status_reason=told["status_reason"],
        cache_reason=told["cache_reason"],
        run_metadata=dict(told["metadata"]),
        started_at=_moment(told["started_at"]),
        ended_at=_moment(told["ended_at"]),
        n_attempts=len(told["attempts"]),
        _run=run,
        _transport=transport,
    )


def pipeline_run(told: Mapping[str, Any], transport: Transport) -> PipelineRun:
    """Return an answer as an object; one from a list is completed when more of it is read."""
    return PipelineRun(
        id=UUID(str(told["id"])),
        number=told["number"],
        name=told["name"],
        pipeline=told["pipeline"],
        status=told["status"],
        reason=told["status_reason"],
        _transport=transport,
        _more=dict(told) if "parameters" in told else {},
    )


def _uuid(text: Any) -> UUID | None:
    return UUID(str(text)) if text else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
