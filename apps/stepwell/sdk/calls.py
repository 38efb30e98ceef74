"""The line from a step process to its supervisor: a question goes out as a ``call`` frame, its answer comes back."""

from __future__ import annotations

import os
import threading
from typing import Any, NoReturn, Protocol

from stepwell import errors


class TwoWay(Protocol):
    """A channel that answers."""

    closed: bool

    def send(self, frame: dict[str, Any], /) -> None: ...

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None: ...


class _Line:
    """One process's line. Threads take turns: a call holds it until its answer is there."""

    def __init__(self, channel: TwoWay) -> None:
        self.pid = os.getpid()
        self._channel = channel
        self._lock = threading.Lock()
        self._number = 0
        self._published: dict[str, Any] | None = None

    def ask(self, operation: str, arguments: dict[str, Any]) -> Any:
        if os.getpid() != self.pid:
            raise RuntimeError("Only the step's own process can ask Stepwell, not one it started.")
        with self._lock:
            self._number += 1
            self._channel.send({"t": "call", "id": self._number, "op": operation, "arguments": arguments})
            answer = self._wait_for(self._number)
        if "error" in answer:
            raise_told(answer["error"])
        return answer.get("result")

    def wait_published(self) -> dict[str, Any] | None:
        if os.getpid() != self.pid:
            return None
        with self._lock:
            while self._published is None and (frame := self._channel.receive()) is not None:
                self._keep(frame)
            return self._published

    def _keep(self, frame: dict[str, Any]) -> None:
        if frame.get("t") == "published":
            self._published = frame

    def _wait_for(self, number: int) -> dict[str, Any]:
        while (frame := self._channel.receive()) is not None:
            # A thread that the step left behind may ask while the result is being stored.
            self._keep(frame)
            # An answer with another number is to a call that an exception from a signal handler broke off.
            if frame.get("t") == "answer" and frame.get("id") == number:
                return frame
        raise errors.Unavailable("The line to Stepwell is closed.", hint="The step is being stopped.")


class Line(Protocol):
    """What a step process asks over."""

    def ask(self, operation: str, arguments: dict[str, Any]) -> Any: ...

    def wait_published(self) -> dict[str, Any] | None: ...


_line: Line | None = None


def open_line(channel: object) -> None:
    """Let this process ask over ``channel``, where it is one that answers."""
    global _line
    _line = _Line(channel) if hasattr(channel, "receive") else None  # type: ignore[arg-type]


def use_line(line: Line) -> None:
    """Let this process ask over ``line``."""
    global _line
    _line = line


def close_line() -> None:
    """Forget the line."""
    global _line
    _line = None


def has_line() -> bool:
    """Return whether this is a step process, or one that a step started, which must ask over the line."""
    return _line is not None


def ask(operation: str, **arguments: Any) -> Any:
    """Ask the supervisor to do an operation and return its answer.

    Raises:
        StepwellError: What the operation says went wrong.
        Unavailable: The supervisor is gone.
        RuntimeError: This is no step process.
    """
    if _line is None:
        raise RuntimeError("This is no step process.")
    return _line.ask(operation, arguments)


def wait_published(result: dict[str, Any]) -> dict[str, Any] | None:
    """Return what became of this process's ``result`` frame, once it is stored; None when the supervisor is gone."""
    return result if _line is None else _line.wait_published()


def raise_told(told: dict[str, Any]) -> NoReturn:
    """Raise the error an answer carries: ``code``, ``message``, ``hint`` and ``status``.

    Raises:
        StepwellError: Always; of the class the code names, else of the one its status stands for.
    """
    kind = _by_code().get(told.get("code", "")) or _BY_STATUS.get(told.get("status", 0), errors.StepwellError)
    details = {"fields": told["fields"]} if told.get("fields") else {}
    raise kind(told.get("message", ""), hint=_with_fields(told), **details)


def _with_fields(told: dict[str, Any]) -> str:
    fields = told.get("fields") or {}
    listed = "; ".join(f"{name}: {problem}" for name, problem in fields.items())
    return " ".join(part for part in (listed, told.get("hint", "") if not fields else "") if part)


def _by_code() -> dict[str, type[errors.StepwellError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return {kind.code: kind for kind in kinds if issubclass(kind, errors.StepwellError)}


_BY_STATUS: dict[int, type[errors.StepwellError]] = {
    401: errors.Denied,
    403: errors.Denied,
    404: errors.NotFound,
    409: errors.Conflict,
    422: errors.UsageError,
    503: errors.Unavailable,
}
