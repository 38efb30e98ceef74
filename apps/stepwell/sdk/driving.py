"""The process of a driver: the body is run in it from the beginning, as often as that takes, to one end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from stepwell.core.values import decode
from stepwell.errors import RunFailed, StepExecutionException, StepwellError
from stepwell.sdk import calls, errorinfo, hookcalls, hooks
from stepwell.sdk.artifactstore import ArtifactStore
from stepwell.sdk.awaiting import original_of
from stepwell.sdk.context import Channel
from stepwell.sdk.driver import Driver
from stepwell.sdk.driverline import DriverLine
from stepwell.sdk.pipelines import Pipeline
from stepwell.sdk.steprun import report_hook

#: errors that end the driver whatever the body catches
_ENDING = frozenset({"nondeterministic", "stopping"})


def drive(payload: dict[str, Any], frames: Channel, pipeline: Pipeline) -> None:
    """Run the body of a dynamic pipeline and send its result."""
    line = _EndingLine(frames, payload)
    calls.use_line(line)
    driver = Driver.of(pipeline, line=line, store=ArtifactStore(payload["artifact_root"]))
    is_first = payload.get("attempt_number", 1) == 1
    failure: BaseException | None = None
    returned: dict[str, Any] | None = None
    try:
        if is_first:
            _call_hook(payload, frames, pipeline, "on_start")
        values = pipeline.complete_parameters({name: decode(one) for name, one in payload["parameters"].items()})
        with driver.active():
            found = pipeline.call_body(values)
            returned = driver.conclude(found, tolerates=_tolerates(pipeline))
    except BaseException as exc:  # user code: whatever it raises, the supervisor must hear of it
        failure = exc
        with suppress(StepwellError):
            line.flush()
        report(payload, frames, exc)
    else:
        frames.send({"t": "result", "status": "completed", "outputs": [], "returned": returned})
    if line.wait_published() is not None:
        _call_hook(payload, frames, pipeline, "on_end", failure)
        _call_hook(payload, frames, pipeline, "on_success" if failure is None else "on_failure", failure)


def run_late_hook(payload: dict[str, Any], frames: Channel, pipeline: Pipeline) -> None:
    """Run one of the pipeline's hooks for a driver whose process is gone."""
    told = payload.get("error")
    exc: BaseException | None = None
    if told is not None:
        message = told.get("message") or f"Pipeline {pipeline.name} did not complete."
        exc = errorinfo.unpickled(told.get("pickled")) or RunFailed(message)
    report_hook(frames, _call_hook(payload, frames, pipeline, payload["hook"], exc), is_told=True)


def park(driver: Driver) -> NoReturn:
    """End this process, because nothing is to be done until somebody answers; the body is run again then."""
    driver.line.flush()
    driver.line.send({"t": "result", "status": "parked"})
    _leave()


def report(payload: dict[str, Any], frames: Channel, exc: BaseException) -> None:
    """Send an exception as the driver's result and print it to the log."""
    error = errorinfo.describe(exc, can_retry=False)
    if payload.get("return_exception"):
        error["pickled"] = errorinfo.pickled(exc)
    with suppress(Exception):  # user code may have closed it; the result must still be told
        sys.stderr.write(error["traceback"])
    frames.send({"t": "result", "status": "failed", "error": error})


class _EndingLine(DriverLine):
    """Ends the process where going on would be wrong: no ``except`` in the body may stand in its way."""

    def __init__(self, frames: Any, payload: dict[str, Any]) -> None:
        super().__init__(frames)
        self._frames = frames
        self._payload = payload

    def ask(self, operation: str, arguments: dict[str, Any]) -> Any:
        try:
            return super().ask(operation, arguments)
        except StepwellError as exc:
            if exc.code not in _ENDING:
                raise
            report(self._payload, self._frames, self._cause(exc))
            _leave()

    def refuse(self, told: dict[str, Any]) -> None:
        try:
            super().refuse(told)
        except StepwellError as exc:
            report(self._payload, self._frames, exc)
            _leave()

    def _cause(self, exc: StepwellError) -> BaseException:
        """Return what the step raised whose failure stops the run; else ``exc``."""
        step = (exc.details.get("fields") or {}).get("step")
        if not step:
            return exc
        original = original_of(super().ask("driver.failure", {"step": step}))
        return original or StepExecutionException(exc.message)


def _leave() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(0)


def _tolerates(pipeline: Pipeline) -> bool:
    return str(pipeline.options.get("execution_mode", "")) == "continue_on_failure"


def _call_hook(
    payload: dict[str, Any], frames: Channel, pipeline: Pipeline, name: str, exc: BaseException | None = None
) -> dict[str, Any] | None:
    hook = pipeline.options.get(name)
    if hook is None:
        return None

    def work() -> Any:
        found: Callable[..., Any] = hooks.load_hook(name, hook, owner=f"Pipeline {pipeline.name}")
        return hooks.call_hook(name, found, exc)

    frames.send({"t": "hook_begins", "hook": name})
    frame = hookcalls.call_hook(name, work, limit=payload.get("hook_seconds"))
    frames.send(frame)
    return frame
