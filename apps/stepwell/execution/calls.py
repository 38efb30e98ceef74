"""What code may ask of the store without a database of its own: scripts by function, step processes by frame."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import OperationalError
from pydantic import BaseModel, ValidationError

from stepwell.core.status import StepKind
from stepwell.errors import Denied, StepwellError, UsageError
from stepwell.execution import callacts, callmodels, callreads, driving
from stepwell.execution.claims import Claim

log = logging.getLogger(__name__)
#: an answer larger than this would not fit a frame comfortably
_MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks. ``claim``: a step process and the attempt it is; None: a person's script, or a file being read."""

    claim: Claim | None = None
    #: nothing may be changed
    read_only: bool = False

    @property
    def run_id(self) -> UUID | None:
        return self.claim.step.run_id if self.claim else None

    @property
    def secrets(self) -> list[str] | None:
        """The secrets it may see; None means all names."""
        return self.claim.step.options.secrets if self.claim else None


Operation = Callable[..., Any]

#: everybody may ask these
READS: dict[str, Operation] = {**callreads.OPERATIONS, **callmodels.READS}
#: a step may do these to what is its own
OWN_ACTS: dict[str, Operation] = {**callacts.OWN, **callmodels.ACTS}
#: only a person's script or the API may do these
ACTS: dict[str, Operation] = dict(callacts.PERSONS)


def ask(operation: str, arguments: dict[str, Any], *, asker: Asker | None = None) -> Any:
    """Do one operation and return its answer as plain JSON.

    Raises:
        StepwellError: It does not exist, is not allowed, does not fit, or what it names is not there.
    """
    asker = asker or Asker()
    if not (operation == "artifact.save" and arguments.get("reuse") is True):
        # What an ExternalArtifact holds is stored once, whoever asks: reading a file may come first.
        _check_allowed(operation, asker)
    function = _OPERATIONS[operation]
    try:
        answer = function(asker, **arguments)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise UsageError(f"{place}: {reason}" if place else reason) from None
    return answer.model_dump(mode="json", by_alias=True) if isinstance(answer, BaseModel) else answer


def answer_frame(frame: dict[str, Any], *, asker: Asker) -> dict[str, Any]:
    """Return the answer to a step process's ``call`` frame; an error is an answer too."""
    return _answer(frame, lambda: ask(str(frame.get("op")), _arguments(frame), asker=asker))


def answer_driver(frame: dict[str, Any], *, claim: Claim) -> dict[str, Any]:
    """Return the answer to what the driver of a dynamic pipeline asks; an error is an answer too."""
    operation = driving.OPERATIONS.get(str(frame.get("op"))) if claim.step.kind == StepKind.DRIVER else None
    if operation is None:
        return answer_frame(frame, asker=Asker(claim=claim))
    return _answer(frame, lambda: operation(claim, **_arguments(frame)))


def _arguments(frame: dict[str, Any]) -> dict[str, Any]:
    arguments = frame.get("arguments") or {}
    if not isinstance(arguments, dict):
        raise UsageError("The arguments of a call are an object.")
    return arguments


def _answer(frame: dict[str, Any], act: Callable[[], Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"t": "answer", "id": frame.get("id")}
    try:
        result = act()
        if len(json.dumps(result)) > _MOST_BYTES:
            raise UsageError("The answer is larger than 32 MiB.", hint="Ask for less at once.")
    except StepwellError as exc:
        return {**answer, "error": describe(exc)}
    except OperationalError:
        log.warning("The database did not answer a step's call", exc_info=True)
        said = {"code": "unavailable", "message": "The database did not answer in time.", "hint": "Try again."}
        return {**answer, "error": {**said, "status": 503}}
    except Exception:  # the boundary to user code: a call that is never answered would hang the step
        log.exception("A step's call failed: %s", frame.get("op"))
        said = {"code": "error", "message": f"The call {frame.get('op')} failed inside Stepwell.", "hint": ""}
        return {**answer, "error": {**said, "status": 500}}
    return {**answer, "result": result}


def describe(exc: StepwellError) -> dict[str, Any]:
    """Return an error as it travels to code that asked."""
    told: dict[str, Any] = {"code": exc.code, "message": exc.message, "hint": exc.hint, "status": exc.status}
    return {**told, "fields": exc.details["fields"]} if exc.details.get("fields") else told


def _check_allowed(operation: str, asker: Asker) -> None:
    if operation not in _OPERATIONS:
        raise UsageError(f"There is no operation {operation!r}.")
    if operation in READS or (not asker.read_only and (operation in OWN_ACTS or asker.claim is None)):
        return
    where = "while a file is read" if asker.read_only else "in a running step"
    raise Denied(f"{operation} cannot be done {where}.", hint="Do it in a script, or with Client(url=..., token=...).")


_OPERATIONS: dict[str, Operation] = {**READS, **OWN_ACTS, **ACTS}
