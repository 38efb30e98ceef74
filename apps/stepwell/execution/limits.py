"""``settings={"concurrency": n}``: how many steps of one name run at once in a run, counted from their rows."""

from __future__ import annotations

from uuid import UUID

from stepwell.core.status import OPEN_STEP, StepStatus
from stepwell.runs.models import StepEdge, StepRun

#: a step in one of these has a place; a place is not a counter, so nothing that dies can keep one
_HELD = (StepStatus.QUEUED, StepStatus.RUNNING, StepStatus.RETRYING)


def has_room(step: StepRun) -> bool:
    """Return whether a limited step may be queued now; one without a limit always may.

    A step that its driver's own process runs is begun by the driver.
    """
    if is_inline(step):
        return False
    return step.concurrency is None or n_free(step.run_id, step.name, step.concurrency) > 0


def is_inline(step: StepRun) -> bool:
    """Return whether the process of the step's driver runs it."""
    return step.call_id is not None and (step.plan.get("options") or {}).get("runtime") == "inline"


def n_free(run_id: UUID, name: str, limit: int) -> int:
    """Return how many more steps of a name may be queued in a run."""
    held = StepRun.objects.filter(run_id=run_id, name=name, status__in=_HELD, concurrency__isnull=False)
    return limit - held.count()


def next_in_line(run_id: UUID, ended: list[UUID]) -> list[UUID]:
    """Return the waiting steps that may take the places of limited steps that ended."""
    if not ended:
        return []
    limited = StepRun.objects.filter(id__in=ended, concurrency__isnull=False).values_list("name", "concurrency")
    found: list[UUID] = []
    for name, limit in set(limited):
        waiting = StepRun.objects.filter(run_id=run_id, name=name, status=StepStatus.PENDING, concurrency__isnull=False)
        held_up = StepEdge.objects.filter(downstream__in=waiting, upstream__status__in=OPEN_STEP).values("downstream")
        found.extend(waiting.exclude(id__in=held_up).order_by("ordinal").values_list("id", flat=True)[:limit])
    return found
