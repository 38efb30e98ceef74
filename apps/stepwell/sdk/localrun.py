"""Running a pipeline from the script that calls it.

The step host is made before anything of the server is loaded: what is forked stays small, and user code in it never
sees a database connection.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepwell.errors import RunFailed, StepExecutionException
from stepwell.sdk import errorinfo
from stepwell.sdk.places import Place, place_of
from stepwell.sdk.tracing import Invocation

if TYPE_CHECKING:
    from stepwell.engine.stephost import StepHost
    from stepwell.sdk.pipelines import Pipeline
    from stepwell.sdk.responses import PipelineRun


#: how often this process has called a pipeline
n_calls = 0


def count_call() -> None:
    """Note that the script has called a pipeline: ``stepwell run`` runs the only one of a file that calls none."""
    global n_calls
    n_calls += 1


def run(pipeline: Pipeline, parameters: Mapping[str, Any]) -> Any:
    """Trace a pipeline, run it in this process's charge, and return the run.

    Raises:
        UsageError: A parameter does not fit, or the body cannot be traced.
        Exception: What the first failing step raised; ``exc.run`` is the run.
        RunFailed: The run did not complete for another reason.
    """
    count_call()
    values = pipeline.complete_parameters(parameters)
    plan, invocations = pipeline.trace(values)
    for warning in plan.warnings:
        sys.stderr.write(f"Warning: {warning}\n")
    spec = pipeline.spec(plan=plan)
    place = place_of(pipeline.module)
    host = make_host(place, invocations, can_import=plan.source.resolve == "import", pipeline=pipeline)
    try:
        # By name: the server stands above the SDK, and is loaded here and nowhere else in it.
        result = importlib.import_module("stepwell.conf.local").run_plan(
            plan=plan,
            spec=spec,
            parameters=pipeline.plain_parameters(values),
            host=host,
            entry_file=place.entry_file,
            source_root=place.source_root,
        )
    finally:
        host.close()
    made = as_response(result)
    if result.status != "completed":
        raise _failure(result, made)
    return made


def as_response(result: Any) -> PipelineRun:
    """Return what the script's runner says of a run as the object people get."""
    # The client is for those who look at what a run made.
    responses = importlib.import_module("stepwell.sdk.responses")
    local = importlib.import_module("stepwell.sdk.client_local")
    made: PipelineRun = responses.PipelineRun(
        id=result.id,
        number=result.number,
        name=result.name,
        pipeline=result.pipeline,
        status=result.status,
        reason=result.reason,
        _transport=local.StoreTransport(),
    )
    return made


def make_host(
    place: Place, invocations: Mapping[str, Invocation], *, can_import: bool, pipeline: Pipeline | None = None
) -> StepHost:
    """Start the process that step processes are forked from.

    It is a fork of this process where that is safe (one thread), or where nothing else can find the steps (code in a
    prompt, a notebook or a function); otherwise a new process that imports the script.
    """
    from stepwell.engine.stephost import StepHost

    if _is_single_threaded() or not (can_import and place.entry_file):
        # By name: what runs in a step process stands above this module, and only the fork needs it.
        child_main = importlib.import_module("stepwell.sdk.child").child_main
        return StepHost.fork(functools.partial(child_main, invocations=invocations, pipeline=pipeline))
    entry = Path(place.entry_file).relative_to(place.source_root)
    package_root = str(Path(__file__).resolve().parents[2])
    command = importlib.import_module("stepwell.sdk.host").command(
        root=place.source_root, entry=entry, search_path=[folder for folder in sys.path if folder], is_quiet=True
    )
    before = os.environ.get("PYTHONPATH")
    search_path = os.pathsep.join([package_root, *([before] if before else [])])
    return StepHost.spawn(command, environment={**os.environ, "PYTHONPATH": search_path}, work_folder=os.getcwd())


def load_outputs(run: PipelineRun, invocation_id: str, names: Iterable[str]) -> list[Any]:
    """Return the values of a step's outputs in the order of ``names``.

    Raises:
        ArtifactError: Stored data is missing or damaged.
    """
    wanted = list(names)
    stored = run.steps[invocation_id].outputs if wanted else {}
    return [stored[name].load() for name in wanted]


def _is_single_threaded() -> bool:
    # Asked of the system: threads of numerical libraries are not Python's.
    return len(os.listdir("/proc/self/task")) == 1


def _failure(result: Any, run: PipelineRun) -> BaseException:
    said = StepExecutionException if result.failed_step else RunFailed
    what = f"Step {result.failed_step} failed" if result.failed_step else f"The run was {result.status}"
    detail = ": ".join(part for part in (result.error_type, result.error_message) if part)
    # The run's own reason begins with the step, for those who read it without one.
    detail = detail or result.reason.removeprefix(f"{result.failed_step} failed: ")
    failure: BaseException = said(
        f"{what}: {detail.rstrip('.')}." if detail else f"{what}.", run=run, step=result.failed_step
    )
    original = errorinfo.unpickled(result.pickled_exception)
    original = original or errorinfo.own_error(result.error_type, result.error_message)
    if original is None:
        return failure
    try:
        original.run = run  # type: ignore[attr-defined]
    except AttributeError:
        # An exception with __slots__ takes no attributes; ours carries the run then.
        failure.__cause__ = original
        return failure
    if result.failed_step:
        original.add_note(f"Raised in step {result.failed_step} of run #{result.number}; its log has the traceback.")
    return original
