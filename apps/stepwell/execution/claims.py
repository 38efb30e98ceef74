"""Taking an attempt, keeping it, and giving it back: leases on the database's clock, told apart by fences."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from stepwell.core.status import AttemptStatus, RunStatus, StepStatus
from stepwell.errors import StepwellError
from stepwell.execution import moves
from stepwell.kit.models import DbNow
from stepwell.runs import events
from stepwell.runs.models import Attempt, StepRun


class LeaseLost(StepwellError):
    """Another process owns this attempt now."""

    code = "lease_lost"


class _Taken(Exception):
    """Undo the claim: the step moved on in the meantime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An attempt this process owns while its lease lasts."""

    attempt: Attempt
    step: StepRun
    owner_id: UUID
    fence: int

    def mine(self):  # type: ignore[no-untyped-def]
        """Return the attempt's row as a query that is empty once somebody else owns it."""
        return Attempt.objects.filter(id=self.attempt.id, fence=self.fence, status=AttemptStatus.RUNNING)


def claim(attempt_id: UUID, *, owner_id: UUID, script: bool = False) -> Claim | None:
    """Take a queued attempt; return None when it is not to be had (taken, cancelled, a script's own)."""
    try:
        with events.one_transaction():
            return _claim(attempt_id, owner_id, script=script)
    except _Taken:
        return None


def _claim(attempt_id: UUID, owner_id: UUID, *, script: bool) -> Claim:
    now = timezone.now()
    queued = Attempt.objects.filter(id=attempt_id, status=AttemptStatus.QUEUED)
    queued = queued.filter(step_run__run__script_node_id=owner_id if script else None)
    taken = Attempt.objects.filter(id__in=queued.values("id")).update(
        status=AttemptStatus.RUNNING,
        owner_id=owner_id,
        fence=F("fence") + 1,
        lease_until=DbNow() + settings.LEASE_SECONDS,
        started_at=now,
        beat_at=now,
        host=socket.gethostname(),
    )
    if not taken:
        raise _Taken
    attempt = Attempt.objects.select_related("step_run__run__snapshot", "step_run__run__pipeline").get(id=attempt_id)
    step = attempt.step_run
    started_at = step.started_at or now
    if step.status != StepStatus.QUEUED or not moves.move_step(step, StepStatus.RUNNING, started_at=started_at):
        raise _Taken
    moves.move_run(step.run_id, RunStatus.RUNNING, old=(RunStatus.QUEUED,), started_at=now)
    events.record(step.run_id, "attempt.status", attempt_payload(attempt))
    return Claim(attempt=attempt, step=step, owner_id=owner_id, fence=attempt.fence)


def attempt_payload(attempt: Attempt) -> dict[str, object]:
    """Return what an event says of an attempt."""
    return {
        "attempt": str(attempt.id),
        "step": str(attempt.step_run_id),
        "invocation_id": attempt.step_run.invocation_id,
        "number": attempt.number,
        "status": str(attempt.status),
        "reason": attempt.status_reason,
    }


def note_started(claim: Claim, *, pid: int) -> None:
    """Store which process runs the attempt."""
    claim.mine().update(pid=pid, host=socket.gethostname())


def renew(claim: Claim, *, progress: dict[str, object] | None, log_bytes: int, log_lines: int) -> bool:
    """Store a heartbeat and renew the lease; return False when the attempt is no longer ours."""
    changes: dict[str, object] = {"progress": progress} if progress is not None else {}
    return bool(
        claim.mine().update(
            lease_until=DbNow() + settings.LEASE_SECONDS,
            beat_at=timezone.now(),
            log_bytes=log_bytes,
            log_lines=log_lines,
            **changes,
        )
    )


def process_label() -> str:
    """Return ``host:pid`` for log lines."""
    return f"{socket.gethostname()}:{os.getpid()}"
