"""What the end of a run settles: how long it took, what made it fail, which failures before it are done with,
and who wanted to hear of it."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from stepwell.core.status import RunStatus, StepStatus
from stepwell.desk.models import Notice, Watch
from stepwell.runs.models import Attempt, Run, StepRun

_MOST_ANCESTORS = 1000
_WORDS = {RunStatus.COMPLETED: "completed", RunStatus.FAILED: "failed", RunStatus.CANCELLED: "was cancelled"}


def settle(run_id: UUID, status: str) -> list[str]:
    """Store what follows from a run's end, in the transaction that ended it; return who asked to be told of it."""
    run = Run.objects.select_related("pipeline").only("number", "parent", "started_at", "ended_at", "pipeline__name")
    run = run.get(id=run_id)
    begun, ended = run.started_at, run.ended_at
    changes: dict[str, Any] = {"took_seconds": max(0.0, (ended - begun).total_seconds()) if begun and ended else 0.0}
    if status == RunStatus.FAILED:
        changes |= {"is_unresolved": True, "fingerprint": fingerprint(run_id)}
    Run.objects.filter(id=run_id).update(**changes)
    if status in {RunStatus.COMPLETED, RunStatus.FAILED}:
        # A rerun that fails too stands for the failures before it: they are one thing to look at, not several.
        _settle_ancestors(run.parent_id)
    return _tell_watchers(run, status)


def fingerprint(run_id: UUID) -> str:
    """Return what a failed run shares with others of the same cause: the first failed step's error, else its reason."""
    failed = StepRun.objects.filter(run=run_id, status=StepStatus.FAILED).order_by("ended_at", "id")
    step = failed.values_list("id", "status_reason").first()
    if step is None:
        reason = Run.objects.values_list("status_reason", flat=True).get(id=run_id)
        return _of_text(reason) if reason else ""
    last = Attempt.objects.filter(step_run=step[0]).order_by("-number")
    return last.values_list("error_fingerprint", flat=True).first() or _of_text(step[1])


def _of_text(reason: str) -> str:
    return hashlib.sha256(reason.encode(errors="replace")).hexdigest()[:32]


def _settle_ancestors(run_id: UUID | None) -> None:
    for _ in range(_MOST_ANCESTORS):
        if run_id is None:
            return
        Run.objects.filter(id=run_id, is_unresolved=True).update(is_unresolved=False)
        run_id = Run.objects.filter(id=run_id).values_list("parent_id", flat=True).first()


def _tell_watchers(run: Run, status: str) -> list[str]:
    watchers = dict(Watch.objects.filter(run=run).order_by("id").values_list("user_id", "user__username"))
    if not watchers:
        return []
    text = f"{run} {_WORDS.get(RunStatus(status), status)}"[:300]
    path = f"/runs/{run.number}/"
    Notice.objects.bulk_create([Notice(user_id=user, status=status, text=text, path=path) for user in watchers])
    Watch.objects.filter(run=run).delete()
    return list(watchers.values())
