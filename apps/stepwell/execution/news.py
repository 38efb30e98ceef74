"""Telling drivers what became of the steps and runs they called, as it is stored, whoever stored it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from stepwell.core.status import TERMINAL_STEP, StepKind
from stepwell.engine.supervise import Supervision
from stepwell.execution.claims import Claim
from stepwell.kit.prepared import Select, Slot
from stepwell.runs import events
from stepwell.runs.models import Run, RunEvent

#: how often what other processes stored is looked for
_LOOK_SECONDS = 0.2
_KINDS = ("step.status", "child.status", "wait.answered", "wait.timed_out")


class Teller:
    """Follows the events of the runs of drivers under supervision, each from where it was begun to be followed."""

    def __init__(self, *, wake: Callable[[], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._heard: set[UUID] = set()
        self._followed: dict[UUID, tuple[UUID, Supervision]] = {}
        #: run -> the events that its driver was told of
        self._seen: dict[UUID, int] = {}
        self._looked_at = 0.0
        self._wake = wake
        events.listeners.append(self._hear)

    def close(self) -> None:
        events.listeners.remove(self._hear)

    def follow(self, claim: Claim, supervision: Supervision) -> None:
        """Tell this driver from now on. What it calls before is in the answers to its calls."""
        run_id = claim.step.run_id
        self._followed[claim.attempt.id] = (run_id, supervision)
        self._seen[run_id] = Run.objects.values_list("next_seq", flat=True).get(id=run_id) - 1

    def forget(self, claim: Claim) -> None:
        self._followed.pop(claim.attempt.id, None)

    def tell(self) -> None:
        """Tell the drivers what is new: of runs this process heard of now, and of all when it is time to look."""
        if not self._followed:
            return
        runs = {run_id for run_id, _ in self._followed.values()}
        with self._lock:
            stale, self._heard = self._heard & runs, set()
        if time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            stale = runs
        if stale:
            for run_id in _with_more(stale, self._seen):
                self._tell_run(run_id)

    def _hear(self, run_id: UUID) -> None:
        with self._lock:
            self._heard.add(run_id)
        if self._wake is not None:
            self._wake()

    def _tell_run(self, run_id: UUID) -> None:
        rows = _NEW_EVENTS.rows(run=run_id, seen=self._seen[run_id])
        if not rows:
            return
        self._seen[run_id] = rows[-1][0]
        frame = _frame((kind, payload) for _, kind, payload in rows if kind in _KINDS)
        if frame is None:
            return
        for followed, supervision in self._followed.values():
            if followed == run_id:
                supervision.tell(frame)


def _with_more(runs: set[UUID], seen: dict[UUID, int]) -> list[UUID]:
    """Return those of the runs that have events which were not seen."""
    if len(runs) == 1:
        # One query less: what is there is read at once.
        return list(runs)
    latest = Run.objects.filter(id__in=runs).values_list("id", "next_seq")
    return [run_id for run_id, next_seq in latest if next_seq - 1 > seen[run_id]]


_NEW_EVENTS = Select(
    lambda: (
        RunEvent.objects.filter(run=Slot("run"), seq__gt=Slot("seen"))
        .order_by("seq")
        .values_list("seq", "kind", "payload")
    )
)


def _frame(told: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any] | None:
    steps: list[list[str]] = []
    runs: list[list[str]] = []
    waits: list[str] = []
    for kind, payload in told:
        if kind == "step.status" and payload["kind"] == StepKind.STEP and payload["status"] in TERMINAL_STEP:
            steps.append([payload["step"], payload["status"]])
        elif kind == "child.status":
            runs.append([payload["run"], payload["status"]])
        elif kind.startswith("wait."):
            waits.append(payload["wait"])
    return {"t": "news", "steps": steps, "runs": runs, "waits": waits} if steps or runs or waits else None
