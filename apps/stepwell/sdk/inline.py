"""Running a step in its driver's own process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stepwell.sdk import calls, context
from stepwell.sdk.steprun import StepRun

if TYPE_CHECKING:
    from stepwell.sdk.driverline import DriverLine
    from stepwell.sdk.steps import BaseStep


def run_attempt(step: BaseStep, *, step_id: str, begun: Mapping[str, Any], line: DriverLine) -> dict[str, Any]:
    """Run an attempt that the supervisor has begun, and return what became of it."""
    own = _InlineLine(line, step_id=step_id, attempt=begun["attempt"])
    calls.use_line(own)
    try:
        with _environment(begun["environment"]):
            StepRun(payload=begun["payload"], channel=own, step=step).run()
    finally:
        context.enter(None)
        calls.use_line(line)
    told: dict[str, Any] = own.finish()
    return told


class _InlineLine:
    """The line of an inline step: what it says is kept until it ends, what it asks goes over its driver's line."""

    def __init__(self, line: DriverLine, *, step_id: str, attempt: str) -> None:
        self._line = line
        self._ids = {"step": step_id, "attempt": attempt}
        self._frames: list[dict[str, Any]] = []
        self._result: dict[str, Any] = {}
        self._told: dict[str, Any] | None = None

    def send(self, frame: dict[str, Any]) -> None:
        if frame.get("t") == "result":
            self._result = frame
        elif frame.get("t") != "beat":
            self._frames.append(frame)

    def ask(self, operation: str, arguments: dict[str, Any]) -> Any:
        return self._line.ask(operation, arguments)

    def wait_published(self) -> dict[str, Any]:
        told = self._end()
        return {"status": told["outcome"], "error": told.get("error")}

    def finish(self) -> dict[str, Any]:
        """Have stored what is not stored yet; return what became of the attempt."""
        told = self._end()
        if self._frames:
            self._line.ask("driver.note", {**self._ids, "frames": self._frames})
        return told

    def _end(self) -> dict[str, Any]:
        if self._told is None:
            frames, self._frames = self._frames, []
            asked = {**self._ids, "result": self._result, "frames": frames}
            self._told = self._line.ask("driver.end", asked)
        return self._told


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
