"""I10: a hook is told of every end it is for, at least once, under one id, and is never left open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stepwell.core.ids import event_id
from stepwell.core.status import AttemptStatus
from stepwell.execution.hookcalls import MOST_TRIES
from stepwell.runs.models import Attempt, HookCall, RunEvent, StepRun

if TYPE_CHECKING:
    from tests.faults.stage import Stage

#: who lives and has a hook to run has a while for it before others do
_SECONDS = 60
_AFTER_STEP = {"completed": "on_success", "failed": "on_failure"}


def violations(stage: Stage, *, patience: float) -> Iterator[str]:
    """Wait until no hook is owed any more, then compare hooks, ends and what the hooks wrote down."""
    _await_all(stage, patience=patience)
    ran = {line[-1] for line in stage.ledger() if line[0] == "hook"}
    owed: set[str] = set()
    for step in StepRun.objects.filter(run_id__in=stage.accepted).select_related("run"):
        wanted = set(_due(step))
        calls = {str(call.id): call for call in HookCall.objects.filter(step_run=step)}
        told = f"#{step.run.number}, {step.invocation_id}"
        yield from (f"I10 a hook was never owed ({told})" for _ in wanted - calls.keys())
        yield from (f"I10 {calls[one].hook} is owed for an end that was not ({told})" for one in calls.keys() - wanted)
        for call in calls.values():
            yield from (f"I10 {call.hook} {problem} ({told})" for problem in _call(call, ran))
        owed |= calls.keys()
    yield from (f"I10 a hook ran under the id {one}, which is no end's" for one in ran - owed)


def _await_all(stage: Stage, *, patience: float) -> None:
    owed = HookCall.objects.filter(run_id__in=stage.accepted, status=HookCall.Status.OPEN)
    if not stage.steadily(owed.exists):
        return
    if not any(process.is_alive and process.log.name.startswith("runner") for process in stage.processes):
        stage.runner()
    deadline = time.monotonic() + _SECONDS * patience
    while stage.steadily(owed.exists) and time.monotonic() < deadline:
        time.sleep(0.1)


def _due(step: StepRun) -> Iterator[str]:
    options = step.plan.get("options") or {}
    hooks = options.get("hooks") or {}
    if not options.get("hooks_enabled", True):
        return
    if hooks.get("on_end"):
        ends = (AttemptStatus.COMPLETED, AttemptStatus.FAILED)
        ended = Attempt.objects.filter(step_run=step, status__in=ends).values_list("id", flat=True)
        yield from (str(event_id(attempt, "on_end")) for attempt in ended)
    name = _AFTER_STEP.get(step.status, "")
    if hooks.get(name):
        yield str(event_id(step.id, name))


def _call(call: HookCall, ran: set[str]) -> Iterator[str]:
    if call.status == HookCall.Status.OPEN:
        yield f"is still owed after {call.tries} tries: {call.error}"
        return
    if call.status == HookCall.Status.DONE and str(call.id) not in ran:
        yield "is called done and did not run"
    if call.status == HookCall.Status.DEAD and call.tries < MOST_TRIES:
        yield f"was given up after {call.tries} tries: {call.error}"
    if not RunEvent.objects.filter(run_id=call.run_id, kind="hook", payload__event_id=str(call.id)).exists():
        yield "ended and the run's story does not say how"
