"""Hooks owed for the end of an attempt: stored with it, and open until somebody said how they went."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from stepwell.core.ids import event_id
from stepwell.core.status import AttemptStatus, StepStatus
from stepwell.engine.ports import Outcome
from stepwell.engine.supervision import Supervision
from stepwell.execution.claims import Claim
from stepwell.kit.models import DbNow
from stepwell.runs import events
from stepwell.runs.models import HookCall, StepRun

OPEN, DONE, FAILED, DEAD = (
    HookCall.Status.OPEN,
    HookCall.Status.DONE,
    HookCall.Status.FAILED,
    HookCall.Status.DEAD,
)
#: a hook whose process was killed is run again until it was begun this often
MOST_TRIES = 3
#: what starting a process may take beside the hooks themselves
_START_SECONDS = 30


def owe(claim: Claim, step: StepRun, outcome: Outcome) -> None:
    """Store the hooks that are due now that the attempt has ended. The caller has the transaction of the end open."""
    names = _due(step, outcome)
    if not names:
        return
    exception = "" if outcome.status == AttemptStatus.COMPLETED else pickled_exception(outcome)
    # The step's own process is about to run them; it has this long before somebody else does.
    due_at = DbNow() + (len(names) * settings.HOOK_SECONDS + _START_SECONDS)
    HookCall.objects.bulk_create(
        [
            HookCall(
                id=event_id(claim.attempt.id if name == "on_end" else step.id, name),
                run_id=step.run_id,
                step_run=step,
                attempt=claim.attempt,
                hook=name,
                ordinal=ordinal,
                exception=exception,
                due_at=due_at,
                # A crash took the process along, so nobody has begun.
                tries=0 if _is_gone(outcome) else 1,
                owner_id=claim.owner_id,
            )
            for ordinal, name in enumerate(names)
        ],
        ignore_conflicts=True,
    )


def pickled_exception(outcome: Outcome) -> str:
    """Return what the attempt raised, pickled, in base64; nothing where a secret is in it."""
    error = outcome.result.get("error") or {}
    return "" if error.get("pickled_holds_secret") else str(error.get("pickled") or "")


def _due(step: StepRun, outcome: Outcome) -> list[str]:
    wanted = _wanted(step)
    names = []
    if outcome.status in (AttemptStatus.COMPLETED, AttemptStatus.FAILED):
        names.append("on_end")
    if step.status == StepStatus.COMPLETED:
        names.append("on_success")
    elif step.status == StepStatus.FAILED:
        names.append("on_failure")
    return [name for name in names if name in wanted]


def _wanted(step: StepRun) -> list[str]:
    """Return the hooks that a step has for its end."""
    options = step.plan.get("options") or {}
    hooks = (options.get("hooks") or {}) if options.get("hooks_enabled", True) else {}
    return [name for name in _AT_END if hooks.get(name)]


_AT_END = ("on_end", "on_success", "on_failure")


def _is_gone(outcome: Outcome) -> bool:
    return outcome.status in (AttemptStatus.CRASHED, AttemptStatus.TIMED_OUT)


def told(claim: Claim, frame: dict[str, Any]) -> None:
    """Store what a process said of a hook it ran."""
    name, is_ok, error = str(frame.get("hook", "")), bool(frame.get("ok")), str(frame.get("error", ""))[:2000]
    call = HookCall.objects.filter(attempt=claim.attempt, hook=name, status=OPEN).first()
    if call is not None:
        call.end(DONE if is_ok else FAILED, error=error)
    _record(claim.step, name, ok=is_ok, error=error, seconds=frame.get("seconds"), call=call)


def settle(claim: Claim, ended: Supervision, *, begun: set[str]) -> None:
    """Now that the process is gone, decide what becomes of the hooks it began and did not finish."""
    for call in open_calls(claim):
        if call.hook not in begun:
            continue
        if ended.hooks_stopped:
            give_up(claim, call, FAILED, f"It was stopped after {settings.HOOK_SECONDS:g} seconds.")
        elif not ended.was_killed:
            give_up(claim, call, FAILED, "The process ended before the hook did.")
        elif call.tries >= MOST_TRIES:
            give_up(claim, call, DEAD, f"The process was killed {call.tries} times before the hook ended.")


def open_calls(claim: Claim) -> list[HookCall]:
    """Return the hooks that are still owed for the attempt, in the order they run in."""
    if not _wanted(claim.step):
        return []
    return list(HookCall.objects.filter(attempt=claim.attempt, status=OPEN).order_by("ordinal"))


def take_next(claim: Claim) -> HookCall | None:
    """Take the next hook that is owed for an attempt of this node; None when there is none."""
    for call in open_calls(claim):
        if call.owner_id == claim.owner_id and call.take(owner_id=claim.owner_id, seconds=late_seconds()):
            return call
    return None


def give_up(claim: Claim, call: HookCall, status: str, reason: str) -> None:
    """End a hook that did not end by itself, and say so in the run's story."""
    with transaction.atomic():
        if call.end(status, error=reason):
            _record(claim.step, call.hook, ok=False, error=reason, call=call)


def late_seconds() -> float:
    """Return how long whoever takes a hook has for it."""
    return float(settings.HOOK_SECONDS + _START_SECONDS)


def _record(step: StepRun, name: str, *, ok: bool, error: str, call: HookCall | None, seconds: Any = None) -> None:
    payload = {
        "step": str(step.id),
        "invocation_id": step.invocation_id,
        "hook": name,
        "ok": ok,
        "seconds": seconds,
        "error": error,
    }
    if call is not None:
        payload |= {"event_id": str(call.id), "tries": call.tries}
    events.record(step.run_id, "hook", payload)
