"""A driver's journal and the questions of a run, as the API, ``Client`` and pages read them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Count

from stepwell.core.status import AttemptStatus, StepKind
from stepwell.core.wire_dynamic import CallDetail, CallFilters, CallPage, WaitDetail, WaitList
from stepwell.runs.models import Attempt, DriverCall, Run, StepRun, Wait


def call_page(run: Run, filters: CallFilters) -> CallPage:
    """Return one page of what a run's body called, in order; four queries however many steps there are."""
    calls = list(
        DriverCall.objects.filter(driver__run=run, ordinal__gt=filters.after).select_related("wait")[: filters.limit]
    )
    statuses = call_statuses([call.id for call in calls])
    return CallPage(items=[_call(call, statuses[call.id]) for call in calls], waits_for=waits_for(run))


def call_statuses(calls: list[UUID]) -> dict[UUID, dict[str, int]]:
    """Return call -> status -> how many of its steps, or of its runs, have it."""
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    for model, call in ((StepRun, "call_id"), (Run, "caller_id")):
        counts = model.objects.filter(**{f"{call}__in": calls}).order_by().values_list(call, "status")
        for call_id, status, count in counts.annotate(n=Count("id")):
            found[call_id][status] = count
    return found


def waits_for(run: Run) -> str:
    """Return what a run's driver waits for now; empty when it does not."""
    asked = Wait.objects.filter(run=run, status=Wait.Status.OPEN).first()
    if asked is not None:
        return f"an answer: {asked.question or asked.name}"
    attempt = Attempt.objects.filter(
        step_run__run=run, step_run__kind=StepKind.DRIVER, status=AttemptStatus.RUNNING
    ).first()
    message = str((attempt.progress or {}).get("message", "")) if attempt else ""
    return message.removeprefix("waits for ") if message.startswith("waits for ") else ""


def wait_list(run: Run) -> WaitList:
    return WaitList(items=[wait_detail(wait) for wait in Wait.objects.filter(run=run)])


def wait_detail(wait: Wait) -> WaitDetail:
    return WaitDetail(
        id=wait.id,
        name=wait.name,
        question=wait.question,
        schema=wait.schema,
        status=wait.status,
        deadline_at=None if wait.deadline_at is None else datetime.fromtimestamp(wait.deadline_at, tz=UTC),
        answer=wait.answer,
        answered_by=wait.answered_by,
        answered_at=wait.answered_at,
        created_at=wait.created_at,
    )


def _call(call: DriverCall, statuses: dict[str, int]) -> CallDetail:
    if call.kind == DriverCall.Kind.WAIT:
        statuses = {str(call.wait.status): 1}
    return CallDetail(
        id=call.id,
        ordinal=call.ordinal,
        kind=call.kind,
        name=call.name,
        invocation_id=call.invocation_id,
        label=call.label,
        count=call.count,
        statuses=statuses,
        created_at=call.created_at,
    )
