"""Taking an attempt, keeping it, and giving it back: leases on the database's clock, told apart by fences."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from stepwell.core import failpoints
from stepwell.core.status import AttemptStatus, RunStatus, StepKind, StepStatus
from stepwell.errors import StepwellError
from stepwell.execution import moves, nodes
from stepwell.kit.models import DbNow
from stepwell.kit.prepared import Select, Slot, Update
from stepwell.kit.steady import AWAY, steadily
from stepwell.runs import events
from stepwell.runs.models import Attempt, StepRun

#: a run that is asked to stop starts nothing but its clean-up
_IN_LIVE_RUN = Q(step_run__run__status__in=(RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED)) | Q(
    step_run__run__status=RunStatus.CANCELLING, step_run__kind=StepKind.CLEANUP
)


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
    #: when it was claimed, on this machine's monotonic clock; the lease counts from there
    claimed_at: float = field(default_factory=time.monotonic)

    def mine(self):  # type: ignore[no-untyped-def]
        """Return the attempt's row as a query that is empty once somebody else owns it."""
        return Attempt.objects.filter(id=self.attempt.id, fence=self.fence, status=AttemptStatus.RUNNING)

    def update(self, **changes: object) -> bool:
        """Change the attempt's row; return False, and change nothing, once somebody else owns it."""
        return bool(_MINE(changes, attempt=self.attempt.id, fence=self.fence))


def claim(attempt_id: UUID, *, owner_id: UUID, script: bool = False) -> Claim | None:
    """Take a queued attempt; return None when it is not to be had (taken, cancelled, a script's own).

    One process must not claim one attempt in two threads at once. When the database's answer is lost, the claim is
    looked for: it may have been stored.
    """
    failpoints.hit("before_claim")
    began = time.monotonic()
    try:
        with events.one_transaction():
            claimed = _claim(attempt_id, owner_id, script=script)
    except _Taken:
        return None
    except AWAY:
        claimed = steadily(lambda: _stored(attempt_id, owner_id), seconds=settings.LEASE_SECONDS / 2, what="A claim")
        if claimed is None:
            return None
    claimed = replace(claimed, claimed_at=began)
    failpoints.hit("after_claim")
    return claimed


def _claim(attempt_id: UUID, owner_id: UUID, *, script: bool) -> Claim:
    now = timezone.now()
    moves.lock_run(steps__attempts=attempt_id)
    changes = {"owner_id": owner_id, "started_at": now, "beat_at": now, "host": nodes.host_name()}
    take = _TAKE_OF_SCRIPT if script else _TAKE
    if not take(changes, attempt=attempt_id, lease=settings.LEASE_SECONDS, script=owner_id):
        raise _Taken
    attempt = _TAKEN.one(attempt=attempt_id)
    step = attempt.step_run
    started_at = step.started_at or now
    if step.status != StepStatus.QUEUED or not moves.move_step(step, StepStatus.RUNNING, started_at=started_at):
        raise _Taken
    if step.run.status == RunStatus.QUEUED:
        moves.move_run(step.run_id, RunStatus.RUNNING, old=(RunStatus.QUEUED,), started_at=now)
    events.record(step.run_id, "attempt.status", attempt_payload(attempt))
    return Claim(attempt=attempt, step=step, owner_id=owner_id, fence=attempt.fence)


def _with_step() -> QuerySet[Attempt]:
    """Return attempts with all that starting one needs; a spec tells of every step of its pipeline."""
    attempts = Attempt.objects.select_related("step_run__run__snapshot", "step_run__run__pipeline")
    return attempts.defer("step_run__run__snapshot__spec", "step_run__run__snapshot__environment")


def _queued(script_node_id: Slot | None) -> QuerySet[Attempt]:
    queued = Attempt.objects.filter(_IN_LIVE_RUN, id=Slot("attempt"), status=AttemptStatus.QUEUED)
    return Attempt.objects.filter(id__in=queued.filter(step_run__run__script_node_id=script_node_id).values("id"))


def _owned() -> QuerySet[Attempt]:
    return Attempt.objects.filter(id=Slot("attempt"), fence=Slot("fence"), status=AttemptStatus.RUNNING)


_LEASED = {"lease_until": DbNow() + Slot("lease")}
_TAKING = {"status": AttemptStatus.RUNNING, "fence": F("fence") + 1, **_LEASED}
_TAKE = Update(lambda: _queued(None), **_TAKING)
_TAKE_OF_SCRIPT = Update(lambda: _queued(Slot("script")), **_TAKING)
_TAKEN = Select(lambda: _with_step().filter(id=Slot("attempt")))
_MINE = Update(_owned)
_RENEW = Update(_owned, **_LEASED)


def _stored(attempt_id: UUID, owner_id: UUID) -> Claim | None:
    """Return the claim whose answer was lost, if it was stored."""
    mine = _with_step().filter(id=attempt_id, status=AttemptStatus.RUNNING, owner_id=owner_id, pid=None)
    attempt = mine.first()
    return attempt and Claim(attempt=attempt, step=attempt.step_run, owner_id=owner_id, fence=attempt.fence)


def waiting_in(run_id: UUID) -> list[UUID]:
    """Return the attempts of a run that nobody has taken."""
    queued = Attempt.objects.filter(step_run__run_id=run_id, status=AttemptStatus.QUEUED)
    return list(queued.order_by("id").values_list("id", flat=True))


def waiting_of(script_node_id: UUID) -> list[tuple[UUID, str]]:
    """Return the attempts of a script's runs that nobody has taken, each with its step's kind."""
    queued = Attempt.objects.filter(step_run__run__script_node_id=script_node_id, status=AttemptStatus.QUEUED)
    return list(queued.order_by("id").values_list("id", "step_run__kind"))


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
    claim.update(pid=pid, host=nodes.host_name())


def renew(claim: Claim, *, progress: dict[str, object] | None, log_bytes: int, log_lines: int) -> bool:
    """Store a heartbeat and renew the lease; return False when the attempt is no longer ours."""
    changes: dict[str, object] = {"beat_at": timezone.now(), "log_bytes": log_bytes, "log_lines": log_lines}
    if progress is not None:
        changes["progress"] = progress
    if claim.step.kind == StepKind.DRIVER:
        # What its process runs besides the body has no supervisor of its own.
        inline = Attempt.objects.filter(status=AttemptStatus.RUNNING, owner_id=claim.owner_id)
        inline = inline.filter(step_run__call__driver=claim.step, step_run__plan__options__runtime="inline")
        inline.update(lease_until=DbNow() + settings.LEASE_SECONDS, beat_at=timezone.now())
    return bool(_RENEW(changes, attempt=claim.attempt.id, fence=claim.fence, lease=settings.LEASE_SECONDS))
