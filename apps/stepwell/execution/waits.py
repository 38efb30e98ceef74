"""Questions that dynamic pipelines wait for: opened by a driver, answered by people, ended by their deadline."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction
from django.utils import timezone

from stepwell.core.status import RunStatus, StepStatus
from stepwell.errors import Conflict, NotFound
from stepwell.execution import moves
from stepwell.execution.parameters import check_value
from stepwell.kit.models import DbNow
from stepwell.runs import events
from stepwell.runs.models import DriverCall, Run, StepRun, Wait

_REASON = "Waits for an answer: "


class AlreadyAnswered(Conflict):
    """The question has its answer already. ``wait`` is the row as it is."""

    code = "already_answered"

    def __init__(self, wait: Wait) -> None:
        self.wait = wait
        if wait.status == Wait.Status.ANSWERED:
            at = f"{wait.answered_at:%Y-%m-%d %H:%M} UTC" if wait.answered_at else ""
            super().__init__(f"{wait.answered_by} answered “{wait.name}” at {at}.", hint="The first answer stands.")
            self.fields = {
                "answer": json.dumps(wait.answer),
                "answered_by": wait.answered_by,
                "answered_at": wait.answered_at.isoformat() if wait.answered_at else "",
            }
        else:
            super().__init__(f"“{wait.name}” is {wait.status.replace('_', ' ')}.", hint="It takes no answer any more.")


def open_or_read(run: Run, call: DriverCall, asked: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
    """Open the wait of a call and pause its run, or return what became of it. The caller has a transaction open."""
    if is_new:
        wait = Wait.objects.create(
            run=run,
            call=call,
            name=call.name,
            question=str(asked.get("question") or ""),
            schema=asked.get("schema") or {},
        )
        if (seconds := asked.get("timeout")) is not None:
            Wait.objects.filter(id=wait.id).update(deadline_at=DbNow() + float(seconds))
        events.record(run.id, "wait.opened", _payload(wait))
        moves.move_run(
            run.id, RunStatus.PAUSED, old=(RunStatus.QUEUED, RunStatus.RUNNING), reason=f"{_REASON}{_words(wait)}"
        )
    else:
        wait = Wait.objects.get(call=call)
    late = Wait.objects.filter(id=wait.id, status=Wait.Status.OPEN, deadline_at__lte=DbNow())
    if late.update(status=Wait.Status.TIMED_OUT):
        wait.status = Wait.Status.TIMED_OUT
        events.record(run.id, "wait.timed_out", _payload(wait))
        _resume(run.id)
    return {"id": str(wait.id), "status": str(wait.status), "answer": wait.answer, "by": wait.answered_by}


def answer(wait: Wait, value: Any, *, by: str) -> Wait:
    """Answer a question and let its run go on.

    Raises:
        ParameterErrors: The answer does not fit the question's schema.
        AlreadyAnswered: Somebody was first, its time was over, or the run has ended.
    """
    check_value(wait.schema, value, name="answer")
    with transaction.atomic():
        Run.objects.select_for_update().only("id").get(id=wait.run_id)
        in_time = Wait.objects.filter(id=wait.id, status=Wait.Status.OPEN).exclude(deadline_at__lte=DbNow())
        if not in_time.update(
            status=Wait.Status.ANSWERED, answer=value, answered_by=by[:150], answered_at=timezone.now()
        ):
            Wait.objects.filter(id=wait.id, status=Wait.Status.OPEN, deadline_at__lte=DbNow()).update(
                status=Wait.Status.TIMED_OUT
            )
            wait.refresh_from_db()
            taken = True
        else:
            wait.refresh_from_db()
            events.record(wait.run_id, "wait.answered", {**_payload(wait), "by": wait.answered_by})
            _resume(wait.run_id)
            taken = False
    if taken:
        raise AlreadyAnswered(wait)
    return wait


def find_wait(run: Run, ref: str) -> Wait:
    """Return a run's wait by its id or name; of several with one name, the newest.

    Raises:
        NotFound: The run has no such wait.
    """
    for wait in Wait.objects.filter(run=run).order_by("-id"):
        if ref in (str(wait.id), wait.id.hex, wait.name):
            return wait
    names = ", ".join(Wait.objects.filter(run=run).values_list("name", flat=True)[:20])
    raise NotFound(f"Run #{run.number} waits for no “{ref}”.", hint=f"Its waits are: {names}." if names else "")


def cancel_open(run: Run) -> None:
    """End the questions of a run that is being stopped. The caller has a transaction open."""
    Wait.objects.filter(run=run, status=Wait.Status.OPEN).update(status=Wait.Status.CANCELLED)


def park(step: StepRun, *, reason: str) -> None:
    """Let a driver rest until an answer or a deadline; start it again at once when that has come meanwhile."""
    open_waits = Wait.objects.filter(run_id=step.run_id, call__driver=step, status=Wait.Status.OPEN)
    if not open_waits.exists():
        if moves.move_step(step, StepStatus.QUEUED, reason=""):
            moves.make_attempt(step)
        return
    first = open_waits.filter(deadline_at__isnull=False).order_by("deadline_at").values("deadline_at")[:1]
    if moves.move_step(step, StepStatus.RETRYING, reason=reason):
        deadline = first[0]["deadline_at"] if first else None
        StepRun.objects.filter(id=step.id).update(next_attempt_at=deadline)


def _resume(run_id: Any) -> None:
    """Let a run go on once none of its questions is open, and start its driver if that rests."""
    driver = StepRun.objects.filter(run_id=run_id, calls__wait__isnull=False, status=StepStatus.RETRYING).first()
    if driver is not None and moves.move_step(driver, StepStatus.QUEUED, reason="", next_attempt_at=None):
        moves.make_attempt(driver)
    if not Wait.objects.filter(run_id=run_id, status=Wait.Status.OPEN).exists():
        moves.move_run(run_id, RunStatus.RUNNING, old=(RunStatus.PAUSED,))


def _payload(wait: Wait) -> dict[str, Any]:
    return {"wait": str(wait.id), "name": wait.name, "question": wait.question, "status": str(wait.status)}


def _words(wait: Wait) -> str:
    return wait.question or wait.name
