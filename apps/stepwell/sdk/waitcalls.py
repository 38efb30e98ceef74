"""What ``Client`` does with the questions of dynamic runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from stepwell.sdk.responses import Page, PipelineRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A question that a dynamic run waits for, or waited for. ``status``: open, answered, timed_out or cancelled."""

    id: UUID
    name: str
    question: str = field(compare=False)
    #: JSON schema of the answer; empty takes any JSON
    schema: dict[str, Any] = field(compare=False)
    status: str = field(compare=False)
    #: None waits for ever
    deadline_at: datetime | None = field(compare=False)
    answer: Any = field(compare=False)
    #: user name of who answered
    answered_by: str = field(compare=False)
    answered_at: datetime | None = field(compare=False)


class WaitCalls:
    """The calls of ``Client`` about questions."""

    def _ask(self, operation: str, **arguments: Any) -> Any:
        raise NotImplementedError

    def list_waits(self, run: str | int | UUID | PipelineRun) -> Page:
        """Return what a run waits or waited for people to answer, oldest first.

        Raises:
            NotFound: There is no such run.
        """
        return Page(_wait(row) for row in self._ask("wait.list", ref=_ref(run))["items"])

    def answer(self, run: str | int | UUID | PipelineRun, answer: Any, *, wait: str | UUID | None = None) -> Wait:
        """Answer what a run waits for, and return the question as it is then.

        Args:
            run: the run.
            answer: JSON that fits the question's schema.
            wait: id or name of the question; None is the one that is open.

        Raises:
            NotFound: There is no such run or question, or none is open.
            UsageError: The answer does not fit, or several questions are open and none is named.
            Conflict: It was answered before, or takes no answer any more; the first answer stands.
            Denied: This is a running step, or the token's role is too low.
        """
        wanted = str(wait) if wait is not None else self._open_wait(run)
        return _wait(self._ask("wait.answer", ref=_ref(run), wait=wanted, answer=answer))

    def _open_wait(self, run: str | int | UUID | PipelineRun) -> str:
        from stepwell.errors import NotFound, UsageError

        found = [one for one in self.list_waits(run) if one.status == "open"]
        if not found:
            raise NotFound(f"Run {_ref(run)} waits for no answer.")
        if len(found) > 1:
            names = ", ".join(one.name for one in found)
            raise UsageError(f"Run {_ref(run)} waits for several answers: {names}.", hint="Say which with wait=.")
        return str(found[0].id)


def _ref(run: str | int | UUID | PipelineRun) -> str:
    return str(run.id) if isinstance(run, PipelineRun) else str(run)


def _wait(told: Mapping[str, Any]) -> Wait:
    def moment(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    return Wait(
        id=UUID(str(told["id"])),
        name=told["name"],
        question=told["question"],
        schema=dict(told["schema"]),
        status=told["status"],
        deadline_at=moment(told["deadline_at"]),
        answer=told["answer"],
        answered_by=told["answered_by"],
        answered_at=moment(told["answered_at"]),
    )
