"""Finding what a person refers to: runs by number, id, beginning of an id or name; pipelines by name, slug or id."""

from __future__ import annotations

from difflib import get_close_matches

from django.db.models import QuerySet

from stepwell.accounts.models import as_uuid
from stepwell.core.wire import RunFilters
from stepwell.errors import NotFound
from stepwell.execution import actions
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Attempt, Run, StepRun

_MAX_NUMBER = 2**63 - 1


def find_run(ref: str) -> Run:
    """Return the run with this number, id, unique beginning of an id (4 characters or more), or name (the newest).

    Raises:
        NotFound: There is no such run, or there are several.
    """
    run = actions.find_run(ref) or _run_named(ref)
    if run is None:
        raise NotFound(
            f"There is no single run “{_shown(ref)}”.",
            hint="Give its number, its id or more of its id; “stepwell runs” lists them.",
        )
    return run


def _run_named(name: str) -> Run | None:
    named = Run.objects.select_related("pipeline", "snapshot", "parent").filter(name=name) if "\0" not in name else None
    return named.order_by("-id").first() if named is not None else None


def filter_runs(filters: RunFilters) -> QuerySet[Run]:
    """Return the runs ``filters`` lets through, newest first; ``limit`` is left to the caller.

    Raises:
        NotFound: There is no such pipeline.
    """
    rows = Run.objects.select_related("pipeline").order_by("-id")
    if filters.status:
        rows = rows.filter(status__in=filters.status)
    if filters.trigger:
        rows = rows.filter(trigger__in=filters.trigger)
    if filters.pipeline is not None:
        rows = rows.filter(pipeline=find_pipeline(filters.pipeline))
    if filters.since is not None:
        rows = rows.filter(created_at__gte=filters.since)
    if filters.cursor is not None:
        rows = rows.filter(id__lt=filters.cursor)
    return rows


def find_pipeline(ref: str) -> Pipeline:
    """Return the pipeline with this name, slug or id.

    Raises:
        NotFound: There is none; names the ones that look alike.
    """
    if "\0" not in ref:
        for field in ("slug", "name"):
            if pipeline := Pipeline.objects.filter(**{field: ref}).first():
                return pipeline
        if (number := as_uuid(ref)) and (pipeline := Pipeline.objects.filter(id=number).first()):
            return pipeline
    names = list(Pipeline.objects.values_list("name", flat=True)[:1000])
    near = get_close_matches(ref[:255], names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Register it with “stepwell register FILE”."
    raise NotFound(f"There is no pipeline “{_shown(ref)}”.", hint=hint)


def find_step(run: Run, invocation_id: str) -> StepRun:
    """Return the step of ``run`` with this invocation id.

    Raises:
        NotFound: There is none; names the steps there are.
    """
    step = run.steps.filter(invocation_id=invocation_id).first() if "\0" not in invocation_id else None
    if step is None:
        known = ", ".join(run.steps.values_list("invocation_id", flat=True)[:20])
        raise NotFound(
            f"Run {run.number} has no step “{_shown(invocation_id)}”.",
            hint=f"It has: {known}." if known else "It has no steps yet.",
        )
    return step


def step_with_id(step_id: str) -> StepRun:
    """Return the step of a run with this id.

    Raises:
        NotFound: There is none.
    """
    step = StepRun.objects.filter(id=number).first() if (number := as_uuid(step_id)) else None
    if step is None:
        raise NotFound("There is no step with this id.")
    return step


def find_attempt(step: StepRun, number: int) -> Attempt:
    """Return attempt ``number`` (the first is 1) at a step.

    Raises:
        NotFound: There is none.
    """
    attempt = step.attempts.filter(number=number).first() if 0 < number <= _MAX_NUMBER else None
    if attempt is None:
        raise NotFound(f"Step {step.invocation_id} has no attempt {number}.", hint="The first attempt is 1.")
    return attempt


def _shown(ref: str) -> str:
    return ref[:80].replace("\0", "\ufffd")
