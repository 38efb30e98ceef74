"""What a driver asks: each call of a dynamic pipeline's body is stored before it acts, or found as it was stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from pydantic import ValidationError

from stepwell.core.plan import PipelineSpec, Plan
from stepwell.core.status import TERMINAL_RUN, RunStatus, StepKind, StepStatus
from stepwell.errors import ConfigError, NonDeterministic, NotFound, Stopping
from stepwell.execution import children, waits
from stepwell.execution.claims import Claim
from stepwell.runs import events
from stepwell.runs.models import DriverCall, Run, StepEdge, StepRun

_MOST_LABEL = 500


def call(claim: Claim, *, entry: dict[str, Any], template: dict[str, Any], steps: list[list[Any]]) -> dict[str, Any]:
    """Store a call of a step, ``map`` or ``product`` with its steps, or part of them; return what became of each.

    ``steps``: ``[invocation id, inputs, cache parts, upstream, index]`` of each, over ``template``, a planned step.

    Raises:
        NonDeterministic: Another call has this place in the journal.
        Stopping: The run is to start nothing any more.
        ConfigError: The plan of the step does not fit, or the run would have more steps than it may.
        NotFound: It names a secret, component or model version that does not exist.
    """
    with events.one_transaction():
        run = _open_run(claim)
        first = int(entry.get("position", 0))
        _check_width(run, first + max(1, int(entry.get("count", 0))))
        stored, is_new = _journal(claim, run, entry)
        return {"steps": children.add(run, stored, template, steps, first=first, is_new=is_new)}


def call_pipeline(
    claim: Claim, *, entry: dict[str, Any], spec: dict[str, Any], plan: dict[str, Any], parameters: dict[str, Any]
) -> dict[str, Any]:
    """Store a call of another pipeline with its run.

    Raises:
        NonDeterministic, Stopping: As for steps.
        ConfigError: Its plan does not fit, or pipelines call each other too deep.
        Conflict: Another run has the name it asks for.
    """
    with events.one_transaction():
        run = _open_run(claim)
        _check_depth(run)
        stored, is_new = _journal(claim, run, entry)
        made = None if is_new else stored.child_runs.first()
        if made is None:
            try:
                described = PipelineSpec.model_validate(spec), Plan.model_validate(plan)
            except ValidationError as exc:
                raise ConfigError(f"The plan of {entry['name']} cannot be read: {exc.error_count()} errors.") from exc
            made = children.start_pipeline(run, stored, *described, parameters=parameters)
    made.refresh_from_db(fields=["status"])
    return {"run": str(made.id), "number": made.number, "status": str(made.status)}


def call_wait(claim: Claim, *, entry: dict[str, Any], wait: dict[str, Any]) -> dict[str, Any]:
    """Store a wait and pause the run, or return what became of it: ``status``, and ``answer`` once there is one.

    Raises:
        NonDeterministic, Stopping: As for steps.
    """
    with events.one_transaction():
        run = _open_run(claim)
        stored, is_new = _journal(claim, run, entry)
        return waits.open_or_read(run, stored, wait, is_new=is_new)


def note_loads(claim: Claim, entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Write loads into the journal; nobody waits for it. Returns a frame that ends a driver where they do not fit."""
    try:
        _note_loads(claim, entries)
    except (NonDeterministic, Stopping) as exc:
        return {"t": "refused", "error": {"code": exc.code, "message": exc.message, "hint": exc.hint, "status": 409}}
    return None


def _note_loads(claim: Claim, entries: list[dict[str, Any]]) -> None:
    with events.one_transaction():
        _check_owner(claim)
        ordinals = [entry["ordinal"] for entry in entries]
        stored = DriverCall.objects.filter(driver=claim.step, ordinal__in=ordinals)
        known = {found.ordinal: found for found in stored}
        for entry in entries:
            if entry["ordinal"] in known:
                _check_same(known[entry["ordinal"]], entry)
        new = [_row(claim, entry) for entry in entries if entry["ordinal"] not in known]
        DriverCall.objects.bulk_create(new)


def outputs(claim: Claim, *, steps: list[str]) -> dict[str, Any]:
    """Return the stored outputs of finished steps: step id -> output name -> version."""
    return children.outputs(claim.step.run_id, [UUID(one) for one in steps])


def failure(claim: Claim, *, step: str) -> dict[str, Any]:
    """Return why a step has no result: of one that was skipped, the failure above it.

    Raises:
        NotFound: The run has no such step.
    """
    found = StepRun.objects.filter(run_id=claim.step.run_id, id=UUID(step)).first()
    if found is None:
        raise NotFound(f"The run has no step {step}.")
    cause = found
    while cause.status == StepStatus.SKIPPED:
        above = StepEdge.objects.filter(downstream=cause, any_end=False).select_related("upstream")
        failed = [edge.upstream for edge in above if edge.upstream.status not in {"completed", "cached"}]
        if not failed:
            break
        cause = failed[0]
    attempt = cause.attempts.order_by("-number").first()
    return {
        "step": found.invocation_id,
        "status": found.status,
        "reason": found.status_reason,
        "cause": cause.invocation_id,
        "type": attempt.error_type if attempt else "",
        "message": (attempt.error_message if attempt else "") or cause.status_reason,
        "pickled": cause.exception,
    }


def run_result(claim: Claim, *, run: str) -> dict[str, Any]:
    """Return the status of a child run, and what its body returned.

    Raises:
        NotFound: This run called no such run.
    """
    found = Run.objects.filter(id=UUID(run), caller__driver=claim.step).first()
    if found is None:
        raise NotFound(f"The run has no child run {run}.")
    told: dict[str, Any] = {
        "status": found.status,
        "reason": found.status_reason,
        "number": found.number,
        "name": found.name,
    }
    if found.status == RunStatus.COMPLETED and found.returned is not None:
        told["returned"] = children.returned(found)
    if found.status == RunStatus.FAILED:
        told["failure"] = children.first_failure(found)
    return told


def _of_inline(name: str, claim: Claim, **arguments: Any) -> Any:
    # By name: it stands above, as it tells of attempts like any supervisor.
    return getattr(import_module("stepwell.execution.inline"), name)(claim, **arguments)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "driver.call": call,
    "driver.pipeline": call_pipeline,
    "driver.wait": call_wait,
    "driver.outputs": outputs,
    "driver.failure": failure,
    "driver.run": run_result,
    "driver.begin": partial(_of_inline, "begin"),
    "driver.end": partial(_of_inline, "end"),
    "driver.note": partial(_of_inline, "note"),
}


def _open_run(claim: Claim) -> Run:
    """Return the driver's run, locked, if calls may still be made in it."""
    run = Run.objects.select_for_update(of=("self",)).select_related("pipeline", "snapshot").get(id=claim.step.run_id)
    _check_owner(claim)
    if run.status in TERMINAL_RUN or run.status == RunStatus.CANCELLING:
        raise Stopping(f"Run #{run.number} is {run.status}; it starts nothing any more.")
    if run.execution_mode == "fail_fast":
        failed = StepRun.objects.filter(run=run, status=StepStatus.FAILED).exclude(kind=StepKind.DRIVER).first()
        if failed is not None:
            said = f"Step {failed.invocation_id} failed, and this run stops at the first failure."
            raise Stopping(said, fields={"step": str(failed.id)})
    return run


def _check_width(run: Run, count: int) -> None:
    if count > settings.RUN_STEPS:
        raise ConfigError(
            f"Run #{run.number} would have {count:,} steps; a run has at most {settings.RUN_STEPS:,}.",
            hint="Give each step more to do, call another pipeline for parts, or set STEPWELL_RUN_STEPS.",
        )


def _check_depth(run: Run) -> None:
    above, depth = run, 1
    while above.caller_id and depth <= settings.RUN_DEPTH:
        above, depth = Run.objects.get(steps__calls=above.caller_id), depth + 1
    if depth > settings.RUN_DEPTH:
        raise ConfigError(
            f"Run #{run.number} was called through {settings.RUN_DEPTH} pipelines, and calls one more.",
            hint="Look for a pipeline that calls itself without an end, or set STEPWELL_RUN_DEPTH.",
        )


def _check_owner(claim: Claim) -> None:
    if not claim.mine().exists():
        raise Stopping(f"The driver's attempt {claim.attempt.id} is not ours any more.")


def _journal(claim: Claim, run: Run, entry: dict[str, Any]) -> tuple[DriverCall, bool]:
    """Return the row of a call, and whether it is new."""
    found = DriverCall.objects.filter(driver=claim.step, ordinal=entry["ordinal"]).first()
    if found is not None:
        _check_same(found, entry)
        return found, False
    made = _row(claim, entry)
    made.save(force_insert=True)
    told = ("ordinal", "kind", "name", "invocation_id", "label", "count")
    events.record(run.id, "driver.call", {"call": str(made.id), **{name: getattr(made, name) for name in told}})
    return made, True


def _row(claim: Claim, entry: dict[str, Any]) -> DriverCall:
    return DriverCall(
        driver=claim.step,
        ordinal=entry["ordinal"],
        kind=entry["kind"],
        name=entry["name"][:255],
        invocation_id=entry.get("invocation_id", "")[:255],
        input_hash=entry["hash"],
        label=entry.get("label", "")[:_MOST_LABEL],
        count=entry.get("count", 0),
    )


def _check_same(stored: DriverCall, entry: dict[str, Any]) -> None:
    if (stored.kind, stored.name, stored.input_hash) == (entry["kind"], entry["name"][:255], entry["hash"]):
        return
    before, now = stored.label or stored.name, entry.get("label") or entry["name"]
    what = f"call {stored.ordinal} was {stored.kind} {before} and is now {entry['kind']} {now}"
    if before == now and stored.kind == entry["kind"]:
        what = f"call {stored.ordinal}, {stored.kind} {before}, now has other inputs"
    raise NonDeterministic(
        f"The pipeline's body took another path when its driver was run again: {what}.",
        hint="Let its calls depend only on parameters and results of steps, not on time, chance or the surroundings.",
    )
