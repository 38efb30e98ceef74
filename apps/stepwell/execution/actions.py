"""What people do with runs: start, rerun, preview a rerun, cancel."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from stepwell.accounts.models import User
from stepwell.artifacts import model_actions
from stepwell.core import failpoints
from stepwell.core.plan import Overrides
from stepwell.core.status import TERMINAL_RUN, RerunCode, RerunScope, RunStatus, StepKind, StepStatus, Trigger
from stepwell.engine.advance import advance
from stepwell.errors import Conflict, UsageError
from stepwell.execution import changes, disk, moves, runnames, waits
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
    from_steps: Iterable[str] = (),
    code: str = RerunCode.AS_RUN,
    parameters: dict[str, Any] | None = None,
    overrides: Overrides | None = None,
    actor: User | None = None,
    trigger: str = Trigger.RERUN,
    idempotency_key: str | None = None,
) -> Run:
    """Store a new run from an earlier one: its code, its parameters and options unless changed.

    ``overrides`` replaces the earlier run's overrides step by step; None keeps them all. ``from_steps`` are the
    invocation ids that run again, with all below them, when ``scope`` is ``steps``. With the ``code`` ``newest``,
    parameters and steps the new code no longer has are left out.

    Raises:
        Conflict: ``scope`` is not ``whole`` and the run has not ended.
        UsageError: The code of the run was not kept, or ``from_steps`` or an option names a step the run does not have.
        ParameterErrors: A parameter does not fit.
    """
    if idempotency_key and (earlier := Run.objects.filter(idempotency_key=idempotency_key).first()):
        return earlier
    if scope != RerunScope.WHOLE and not run.is_finished:
        raise Conflict(f"Run #{run.number} has not ended yet.", hint="Cancel it, or rerun everything.")
    snapshot = snapshot_for(run, code)
    check_snapshot(run.pipeline, snapshot)
    complete, merged = merge(run, snapshot, parameters=parameters, overrides=overrides)
    _check_components(snapshot, merged)
    new = Run(
        pipeline=run.pipeline,
        snapshot=snapshot,
        parameters=complete,
        overrides=merged.model_dump(mode="json", exclude_none=True),
        trigger=trigger,
        parent=run,
        rerun_scope=RerunScope(scope),
        rerun_steps=check_from_steps(run, scope, from_steps),
        changes=changes.between(run, complete, merged, snapshot=snapshot),
        actor=actor,
        actor_name=actor.get_username() if actor else "",
        tags=run.tags,
        idempotency_key=idempotency_key,
    )
    return _store_or_earlier(new)


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
            failpoints.hit("during_cancel")
            waits.cancel_open(run)
            advance(OrmRunStore(), run.id)
    if asked:
        # Each in its own transaction: the end of one locks the run that called it.
        for child in Run.objects.filter(caller__driver__run=run).exclude(status__in=TERMINAL_RUN):
            with suppress(RunFinished):
                cancel_run(run=child, by=by)
    run.refresh_from_db()
    if not asked and run.status != RunStatus.CANCELLING:
        raise RunFinished(f"Run #{run.number} is already {run.status}.", hint="Rerun it instead.")
    return run


def expire_result(*, step: StepRun, by: str) -> StepRun:
    """Have no later step take the stored result that ``step`` made or took; return the step that made it.

    Raises:
        Conflict: The step has no stored result, or it was expired before.
    """
    made_it = step.origin_step or step
    if made_it.status != StepStatus.COMPLETED or not made_it.cache_key:
        raise Conflict(f"{step.invocation_id} has no stored result to expire.", hint="It has one once it completed.")
    with_key = StepRun.objects.filter(cache_key=made_it.cache_key, status=StepStatus.COMPLETED)
    if not with_key.filter(cache_expired_at=None).update(cache_expired_at=timezone.now(), cache_expired_by=by):
        raise Conflict(f"The result of {step.invocation_id} was expired before.", hint="The next run makes a new one.")
    made_it.refresh_from_db()
    return made_it


def restore_result(*, step: StepRun) -> StepRun:
    """Take back that the result ``step`` made or took was expired; return the step that made it.

    Raises:
        Conflict: It is not expired.
    """
    made_it = step.origin_step or step
    if made_it.cache_expired_at is None:
        raise Conflict(f"The result of {step.invocation_id} is not expired.", hint="Nothing is left to do.")
    together = StepRun.objects.filter(cache_key=made_it.cache_key, cache_expired_at=made_it.cache_expired_at)
    together.update(cache_expired_at=None, cache_expired_by="")
    made_it.refresh_from_db()
    return made_it


def next_run_number() -> int:
    """Return the next number of a run. The caller has a transaction open."""
    Counter.objects.get_or_create(name="run")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE runs_counter SET value = value + 1 WHERE name = 'run' RETURNING value")
        return int(cursor.fetchone()[0])


def _store_or_earlier(run: Run) -> Run:
    disk.require_room()
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


def snapshot_for(run: Run, code: str) -> Snapshot:
    """Return the code a rerun of ``run`` runs; the run's own when nothing newer was kept."""
    newest = run.pipeline.newest_runnable if code == RerunCode.NEWEST else None
    return newest or run.snapshot


def check_from_steps(run: Run, scope: str, from_steps: Iterable[str]) -> list[str]:
    """Return the steps a rerun begins from, each once and in order of name.

    Raises:
        UsageError: ``scope`` is ``steps`` and none is named, or it is not and some are, or the run has no such step.
    """
    chosen = sorted(set(from_steps))
    if bool(chosen) != (scope == RerunScope.FROM_STEPS):
        problem = "Steps were chosen, but the scope is not “steps”." if chosen else "No step was chosen."
        raise UsageError(problem, hint="Give the scope “steps” and the invocation ids to run again.")
    if chosen:
        _check_known(run, set(chosen), set(_names(run)))
    return chosen


def merge(
    run: Run, snapshot: Snapshot, *, parameters: dict[str, Any] | None, overrides: Overrides | None
) -> tuple[dict[str, Any], Overrides]:
    """Return the parameters and overrides of a rerun of ``run`` with the code of ``snapshot``.

    Raises:
        ParameterErrors: A parameter does not fit.
        UsageError: An option names a step the run does not have.
    """
    kept, earlier = run.parameters, run.parsed_overrides
    known = set(_names(run))
    if snapshot.id != run.snapshot_id:
        kept = {name: value for name, value in kept.items() if name in snapshot.parameters_schema.get("properties", {})}
        plan = snapshot.compiled.plan
        known = {step.invocation_id for step in plan.steps} if plan else set()
        if known:
            still = {name: override for name, override in earlier.steps.items() if name in known}
            earlier = earlier.model_copy(update={"steps": still})
    complete = check_parameters(snapshot.parameters_schema, {**kept, **(parameters or {})})
    merged = Overrides(steps={**earlier.steps, **(overrides.steps if overrides else {})}, variant=earlier.variant)
    if known:
        _check_known(run, set(merged.steps), known)
    return complete, merged


def _names(run: Run) -> Iterable[str]:
    return StepRun.objects.filter(run=run, kind=StepKind.STEP).values_list("invocation_id", flat=True)


def _check_known(run: Run, named: set[str], known: set[str]) -> None:
    if unknown := sorted(named - known):
        raise UsageError(
            f"Run #{run.number} has no step {', '.join(unknown)}.", hint=f"Its steps are: {', '.join(sorted(known))}."
        )


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
