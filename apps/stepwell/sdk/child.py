"""The step process: what it is asked to do (``kind``), done and answered with a result frame whatever happens."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stepwell.errors import UsageError
from stepwell.sdk import calls, discovery, driving, errorinfo, hookcalls, hooks, resolve, threads
from stepwell.sdk import context as contexts
from stepwell.sdk.context import Channel
from stepwell.sdk.planning import DRIVER_STEP
from stepwell.sdk.steprun import StepRun, make_context, report_hook

if TYPE_CHECKING:
    from stepwell.sdk.pipelines import Pipeline
    from stepwell.sdk.steps import BaseStep
    from stepwell.sdk.tracing import Invocation


def child_main(
    payload: dict[str, Any],
    frames: Channel,
    *,
    invocations: Mapping[str, Invocation] | None = None,
    pipeline: Pipeline | None = None,
    entry: ModuleType | None = None,
    cut_short: str = "",
    is_own_process: bool = True,
) -> None:
    """Do what ``payload`` asks and send the result on ``frames``; never raises.

    Args:
        payload: see LaunchSpec; ``kind`` is step, hook, plan, cleanup or discover.
        invocations: the step objects of a traced pipeline, where this process was forked from the one that traced it.
        pipeline: that pipeline, likewise.
        entry: the module a step host imported; ``discover`` looks at it.
        cut_short: why the import of ``entry`` ended early, where it did.
        is_own_process: the process ends after this, so what user code left to be done at exit is done here.
    """
    if is_own_process:
        _forget_hosts_exit()
    calls.open_line(frames)
    try:
        if payload["kind"] == "discover":
            _discover(frames, entry, cut_short)
        else:
            _KINDS.get(payload["kind"], _refuse)(payload, frames, Memory(invocations, pipeline))
    except BaseException as exc:  # the boundary of the process: the supervisor must always hear how it ended
        report_failure(payload, frames, exc=exc, can_retry=False)
    if is_own_process:
        _finish()
    else:
        calls.close_line()


def report_failure(payload: dict[str, Any], frames: Channel, *, exc: BaseException, can_retry: bool = False) -> None:
    """Send ``exc`` as the result and print it to the log."""
    error = errorinfo.describe(exc, can_retry=can_retry)
    if payload.get("return_exception"):
        error["pickled"] = errorinfo.pickled(exc)
    with contextlib.suppress(Exception):  # user code may have closed it; the result must still be told
        sys.stderr.write(error["traceback"])
    frames.send({"t": "result", "status": "failed", "error": error})


@dataclass(frozen=True)
class Memory:
    """What a forked process still has of the script that traced the pipeline; None where it was not forked from it."""

    invocations: Mapping[str, Invocation] | None
    pipeline: Pipeline | None

    def run_pipeline(self, payload: dict[str, Any]) -> Pipeline:
        """Return the pipeline of the run; one that this process's pipeline called is found by its name."""
        if self.pipeline is not None and self.pipeline.source.model_dump(mode="json") == payload["pipeline"]:
            return self.pipeline
        return resolve.find_run_pipeline(payload)

    def pipeline_hook(self, name: str, payload: dict[str, Any]) -> Callable[..., Any] | None:
        """Return the pipeline's hook of that name."""
        pipeline = self.run_pipeline(payload)
        hook = pipeline.options.get(name)
        return None if hook is None else hooks.load_hook(name, hook, owner=f"Pipeline {pipeline.name}")


def _run_step(payload: dict[str, Any], frames: Channel, memory: Memory) -> None:
    step = _find_step(payload, memory.invocations)
    has_init = payload["step"].get("options", {}).get("hooks", {}).get("on_init")
    init = memory.pipeline_hook("on_init", payload) if has_init else None
    threads.allow(payload["step"].get("options", {}).get("settings", {}).get("resources", {}).get("cpu_count"))
    StepRun(payload=payload, channel=frames, step=step, init=init).run()


def _run_hook(payload: dict[str, Any], frames: Channel, memory: Memory) -> None:
    if payload["step"]["invocation_id"] == DRIVER_STEP:
        driving.run_late_hook(payload, frames, memory.run_pipeline(payload))
        return
    StepRun(payload=payload, channel=frames, step=_find_step(payload, memory.invocations)).run_late_hook()


def _drive(payload: dict[str, Any], frames: Channel, memory: Memory) -> None:
    driving.drive(payload, frames, memory.run_pipeline(payload))


def _run_cleanup(payload: dict[str, Any], frames: Channel, memory: Memory) -> None:
    contexts.enter(make_context(payload, frames))
    hook = memory.pipeline_hook("on_cleanup", payload)
    report_hook(frames, None if hook is None else hookcalls.call_hook("on_cleanup", hook))


def _plan(payload: dict[str, Any], frames: Channel, _memory: Memory) -> None:
    plan = discovery.make_plan(payload)
    frames.send({"t": "result", "status": "completed", "plan": plan})


def _discover(frames: Channel, entry: ModuleType | None, cut_short: str) -> None:
    if entry is None:
        raise UsageError("There is no file to look for pipelines in.")
    specs, skipped = discovery.find_pipelines(entry)
    skipped += [cut_short] if cut_short else []
    frames.send({"t": "result", "status": "completed", "specs": specs, "skipped": skipped})


def _refuse(payload: dict[str, Any], _frames: Channel, _memory: Memory) -> None:
    raise UsageError(f"A step process cannot do {payload['kind']!r}.")


def _find_step(payload: dict[str, Any], invocations: Mapping[str, Invocation] | None) -> BaseStep:
    invocation_id = payload["step"]["invocation_id"]
    if invocations is not None and invocation_id in invocations:
        return invocations[invocation_id].step
    return resolve.find_step(payload)


def _forget_hosts_exit() -> None:
    # what the host has registered is the host's to do, except that processes the step starts are waited for
    atexit._clear()
    processes = sys.modules.get("multiprocessing.util")
    if processes is not None:
        atexit.register(processes._exit_function)


def _finish() -> None:
    # Python does this when a program ends: threads are waited for, then what was registered is called. The result is
    # sent already, and whoever takes too long is ended by the supervisor.
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()


_KINDS = {"driver": _drive, "step": _run_step, "hook": _run_hook, "plan": _plan, "cleanup": _run_cleanup}
