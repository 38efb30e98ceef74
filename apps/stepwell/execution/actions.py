"""What people do with runs: start, rerun, preview a rerun, cancel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from stepwell.accounts.models import User
from stepwell.artifacts import model_actions
from stepwell.core.plan import Overrides
from stepwell.core.status import DONE_STEP, RerunScope, RunStatus, StepKind, StepStatus, Trigger
from stepwell.engine.advance import advance
from stepwell.errors import Conflict, UsageError
from stepwell.execution import changes, moves, runnames
from stepwell.execution.parameters import check_parameters
from stepwell.execution.stores import OrmRunStore
from stepwell.pipelines.models import Pipeline, Snapshot
from stepwell.runs import events
from stepwell.runs.models import Counter, Run, StepRun
from stepwell.stacks import actions as components
from stepwell.vault.actions import check_names

PLAN_STEP = ":plan"


class RunFinished(Conflict):
    """The run has already ended."""

    code = "run_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunPreview:
    """What a rerun would change and do. ``steps``: (invocation id, ``runs`` or ``reused``, why)."""

    changes: list[dict[str, Any]]
    steps: list[tuple[str, str, str]]


def start_run(
    *,
    pipeline: Pipeline,
    parameters: dict[str, Any],
    trigger: str,
    actor: User | None = None,
    overrides: Overrides | None = None,
    snapshot: Snapshot | None = None,
    name: str | None = None,
    tags: Iterable[str] = (),
    idempotency_key: str | None = None,
) -> Run:
    """Store a new run of a pipeline and ring for it.

    With an ``idempotency_key`` that was used before, the run of that time is returned and nothing is made.

    Raises:
        UsageError: The pipeline's code was not kept, so it can only be run from its script.
        ParameterErrors: A parameter does not fit.
        NotFound: A step names a secret or component that does not exist.
    """
    if idempotency_key and (earlier := Run.objects.filter(idempotency_key=idempotency_key).first()):
        return earlier
    snapshot = snapshot or pipeline.newest_runnable
    check_snapshot(pipeline, snapshot)
    _check_components(snapshot, overrides)
    complete = check_parameters(snapshot.parameters_schema, parameters)
    run = Run(
        name=name or "",
        pipeline=pipeline,
        snapshot=snapshot,
        parameters=complete,
        overrides=(overrides or Overrides()).model_dump(mode="json", exclude_none=True),
        trigger=trigger,
        actor=actor,
        actor_name=actor.get_username() if actor else "",
        tags=sorted(set(tags)),
        idempotency_key=idempotency_key,
    )
    return _store_or_earlier(run)


def rerun(
    *,
    run: Run,
    scope: str = RerunScope.WHOLE,
    parameters: dict[str, Any] | None = None,
    overrides: Overrides | None = None,
    actor: User | None = None,
    trigger: str = Trigger.RERUN,
    idempotency_key: str | None = None,
) -> Run:
    """Store a new run from an earlier one: its code, its parameters and options unless changed.

    ``overrides`` replaces the earlier run's overrides step by step; None keeps them all.

    Raises:
        Conflict: ``scope`` is ``failed`` and the run has not ended.
        UsageError: The code of the run was not kept, or an option names a step the run does not have.
        ParameterErrors: A parameter does not fit.
    """
    if idempotency_key and (earlier := Run.objects.filter(idempotency_key=idempotency_key).first()):
        return earlier
    if scope == RerunScope.FROM_FAILED and not run.is_finished:
        raise Conflict(f"Run #{run.number} has not ended yet.", hint="Cancel it, or rerun everything.")
    check_snapshot(run.pipeline, run.snapshot)
    complete, merged = _merge(run, parameters, overrides)
    _check_components(run.snapshot, merged)
    new = Run(
        pipeline=run.pipeline,
        snapshot=run.snapshot,
        parameters=complete,
        overrides=merged.model_dump(mode="json", exclude_none=True),
        trigger=trigger,
        parent=run,
        rerun_scope=RerunScope(scope),
        changes=changes.between(run, complete, merged),
        actor=actor,
        actor_name=actor.get_username() if actor else "",
        tags=run.tags,
        idempotency_key=idempotency_key,
    )
    return _store_or_earlier(new)


def preview_rerun(
    *, run: Run, scope: str, parameters: dict[str, Any] | None, overrides: Overrides | None
) -> RerunPreview:
    """Say what a rerun would change, which steps would run and which results it would keep.

    A changed parameter counts for every step that takes it, and for all below; the run itself decides with the code's
    exact cache keys, so it may keep more than the preview says, never less safe.

    Raises:
        ParameterErrors: A parameter does not fit.
        UsageError: An option names a step the run does not have.
    """
    complete, merged = _merge(run, parameters, overrides)
    found = changes.between(run, complete, merged)
    steps = list(StepRun.objects.filter(run=run, kind=StepKind.STEP).prefetch_related("upstream_edges__upstream"))
    taken = changes.parameters_taken(run, steps, {change["what"] for change in found if change["what"] in complete})
    fates: list[tuple[str, str, str]] = []
    running: set[str] = set()
    changed = changes.changed_steps(run, merged)
    for step in steps:
        why = _why_runs(step, scope, changed, taken[step.invocation_id], running)
        if why:
            running.add(step.invocation_id)
        fates.append((step.invocation_id, "runs" if why else "reused", why or f"kept from run #{run.number}"))
    return RerunPreview(changes=found, steps=fates)


def cancel_run(*, run: Run, by: str) -> Run:
    """Ask a run to stop. Steps that wait are cancelled now; running ones are stopped within seconds.

    A second request changes nothing.

    Raises:
        RunFinished: The run already ended.
    """
    with transaction.atomic():
        asked = moves.move_run(
            run.id,
            RunStatus.CANCELLING,
            old=(RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED),
            cancel_requested_at=timezone.now(),
            cancel_requested_by=by,
        )
        if asked:
            events.record(run.id, "cancel.requested", {"by": by})
            advance(OrmRunStore(), run.id)
    run.refresh_from_db()
    if not asked and run.status != RunStatus.CANCELLING:
        raise RunFinished(f"Run #{run.number} is already {run.status}.", hint="Rerun it instead.")
    return run


def next_run_number() -> int:
    """Return the next number of a run. The caller has a transaction open."""
    Counter.objects.get_or_create(name="run")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE runs_counter SET value = value + 1 WHERE name = 'run' RETURNING value")
        return int(cursor.fetchone()[0])


def _store_or_earlier(run: Run) -> Run:
    try:
        with transaction.atomic():
            return _store(run)
    except IntegrityError:
        earlier = Run.objects.filter(idempotency_key=run.idempotency_key).first() if run.idempotency_key else None
        if earlier is None:
            raise
        return earlier


def _store(run: Run) -> Run:
    run.number = next_run_number()
    run.name = runnames.first_name(run)
    run.save(force_insert=True)
    events.record(run.id, "run.created", {"trigger": str(run.trigger), "by": run.actor_name, "number": run.number})
    plan_step = StepRun.objects.create(
        run=run, kind=StepKind.PLAN, invocation_id=PLAN_STEP, name="plan", status=StepStatus.QUEUED
    )
    moves.make_attempt(plan_step)
    return run


def check_snapshot(pipeline: Pipeline, snapshot: Snapshot | None) -> None:
    """Refuse code that cannot run here.

    Raises:
        UsageError: The code was not kept.
        NotFound: A step names a secret that does not exist.
    """
    if snapshot is None or not snapshot.can_run:
        raise UsageError(
            f"The code of {pipeline.name} was not kept, so it cannot be started from here.",
            hint="Register its file: stepwell register FILE.",
        )
    plan = snapshot.compiled.plan
    if plan is not None:
        check_names(sorted({name for step in plan.steps for name in step.options.secrets}))
        model_actions.check_models([step.options for step in plan.steps])


def _check_components(snapshot: Snapshot, overrides: Overrides | None) -> None:
    plan = snapshot.compiled.plan
    changed = overrides.steps if overrides else {}
    if plan is not None:
        components.check_options(
            (step.invocation_id, changed[step.invocation_id].apply(step.options))
            if step.invocation_id in changed
            else (step.invocation_id, step.options)
            for step in plan.steps
        )


def _merge(
    run: Run, parameters: dict[str, Any] | None, overrides: Overrides | None
) -> tuple[dict[str, Any], Overrides]:
    complete = check_parameters(run.snapshot.parameters_schema, {**run.parameters, **(parameters or {})})
    earlier = run.parsed_overrides
    merged = Overrides(steps={**earlier.steps, **(overrides.steps if overrides else {})}, variant=earlier.variant)
    known = set(StepRun.objects.filter(run=run, kind=StepKind.STEP).values_list("invocation_id", flat=True))
    if known and (unknown := sorted(merged.steps.keys() - known)):
        raise UsageError(
            f"Run #{run.number} has no step {', '.join(unknown)}.", hint=f"Its steps are: {', '.join(sorted(known))}."
        )
    return complete, merged


def _why_runs(step: StepRun, scope: str, changed: set[str], taken: set[str], running: set[str]) -> str:
    if scope == RerunScope.WHOLE:
        return "everything runs"
    if step.status not in DONE_STEP:
        return f"was {step.status}"
    if step.invocation_id in changed:
        return "its options changed"
    if taken:
        return f"{', '.join(sorted(taken))} changed"
    above = {edge.upstream.invocation_id for edge in step.upstream_edges.all()} & running
    return f"{sorted(above)[0]} runs again" if above else ""


def find_run(ref: str) -> Run | None:
    """Return the run with this number, id, or unique beginning of an id; None when there is none or several."""
    text = ref.strip().lower().lstrip("#")
    runs = Run.objects.select_related("pipeline", "snapshot", "parent")
    if text.isascii() and text.isdigit() and not text.startswith("0") and len(text) < 16:
        return runs.filter(number=int(text)).first()
    digits = text.replace("-", "")
    if not 4 <= len(digits) <= 32 or any(char not in "0123456789abcdef" for char in digits):
        return None
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    found = list(runs.filter(id__gte=low, id__lte=high)[:2])
    return found[0] if len(found) == 1 else None
