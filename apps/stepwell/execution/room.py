"""What a step takes of the runner it runs on: slots by ``cpu_count``, GPUs by ``gpu_count`` and the runner's label.

A step may take the whole runner or step host down with it, and everything beside it is charged with that crash too.
So those that crashed before keep apart once one of them has no crash left to spend.
"""

from __future__ import annotations

import glob
import math
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.conf import settings

from stepwell.core.status import StepKind, StepStatus
from stepwell.errors import UsageError
from stepwell.execution import moves, nodes
from stepwell.kit.prepared import Select, Slot
from stepwell.runs import events
from stepwell.runs.models import Attempt, StepRun

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
#: how often a step that waits for slots looks whether the runner stops
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one step takes."""

    slots: int = 1
    gpus: int = 0
    #: how often the step crashed before
    crashes: int = 0

    def must_be_apart(self, crashes: int) -> bool:
        """Return whether one that crashed so often may have been in the same crash, and the next is the last of one."""
        fewer, more = sorted((self.crashes, crashes))
        return fewer > 0 and more >= settings.CRASH_BUDGET - 1


def need_of(attempt_id: UUID) -> Need:
    """Return what the step of an attempt takes; where a step operator runs it, that is the operator's to have."""
    kind, options, crashes = _ASKED.first(attempt=attempt_id) or (StepKind.STEP, {}, 0)
    # Hidden steps run in any slot, and a driver is handed over at once.
    need = need_of_options(options or {}) if kind == StepKind.STEP else Need()
    return replace(need, crashes=crashes)


_ASKED = Select(
    lambda: Attempt.objects.filter(id=Slot("attempt")).values_list(
        "step_run__kind", "step_run__plan__options", "step_run__crashes"
    )
)


def need_of_options(options: Mapping[str, Any]) -> Need:
    asked = (options.get("settings") or {}).get("resources") or {}
    if not asked or options.get("step_operator"):
        return Need()
    return Need(slots=max(1, math.ceil(asked.get("cpu_count") or 1)), gpus=int(asked.get("gpu_count") or 0))


class Room:
    """The slots and GPUs of one runner. Steps get slots in the order they came: a large one is not passed by."""

    def __init__(self, *, slots: Callable[[], int], gpus: int) -> None:
        self.gpus = gpus
        self._slots = slots
        self._used_slots = self._used_gpus = 0
        #: how often each step that is here crashed before
        self._crashes: list[int] = []
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def slots(self) -> int:
        return max(1, self._slots())

    def has_gpus(self, need: Need) -> bool:
        """Return whether the runner has that many GPUs, busy or not."""
        return need.gpus <= self.gpus

    def enter(self, need: Need, *, unless: Callable[[], bool]) -> Need | None:
        """Take what a step needs, waiting for slots, and return it for ``leave``.

        None when its GPUs are busy now, it must not run beside what is here, or ``unless`` says to stop. A step that
        needs more slots than there are waits until all are free.
        """
        ticket = object()
        with self._changed:
            if self._used_gpus + need.gpus > self.gpus or any(map(need.must_be_apart, self._crashes)):
                return None
            self._hold(need)
            self._line.append(ticket)
            try:
                while not (self._line[0] is ticket and self._fits(need)):
                    if unless():
                        self._let_go(need)
                        return None
                    self._changed.wait(_LOOK_SECONDS)
                taken = replace(need, slots=self._capped(need))
                self._used_slots += taken.slots
                return taken
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()

    def leave(self, taken: Need) -> None:
        """Give back what ``enter`` returned."""
        with self._changed:
            self._used_slots -= taken.slots
            self._let_go(taken)
            self._changed.notify_all()

    def _hold(self, need: Need) -> None:
        self._used_gpus += need.gpus
        self._crashes.append(need.crashes)

    def _let_go(self, need: Need) -> None:
        self._used_gpus -= need.gpus
        self._crashes.remove(need.crashes)

    def _fits(self, need: Need) -> bool:
        return self._used_slots + self._capped(need) <= self.slots

    def _capped(self, need: Need) -> int:
        return min(need.slots, self.slots)


@dataclass(slots=True)
class Held:
    """Attempts that wait until others have left this runner. Safe to use from several threads."""

    _attempts: list[UUID] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, attempt_id: UUID) -> None:
        with self._lock:
            if attempt_id not in self._attempts:
                self._attempts.append(attempt_id)

    def take_all(self) -> list[UUID]:
        with self._lock:
            found, self._attempts = self._attempts, []
        return found


def is_for_another(need: Need) -> bool:
    """Return whether a runner that lives has the GPUs."""
    return any(gpus_of(node.labels) >= need.gpus for node in nodes.living_runners())


def say_why_it_waits(attempt_id: UUID, need: Need) -> None:
    """Write on a queued step that no runner can take it."""
    wanted = "1 GPU" if need.gpus == 1 else f"{need.gpus} GPUs"
    reason = f"Waits for a runner with {wanted}. Start one with: stepwell runner --label gpu={need.gpus}"
    with events.one_transaction():
        waiting = StepRun.objects.filter(attempts__id=attempt_id, status=StepStatus.QUEUED)
        for step in waiting.exclude(status_reason=reason):
            if StepRun.objects.filter(id=step.id, status=StepStatus.QUEUED).update(status_reason=reason):
                step.status_reason = reason
                events.record(step.run_id, "step.status", moves.step_payload(step))


def remarks(need: Need, *, slots: int, is_script: bool = False) -> list[str]:
    """Return what a step's log says of resources that are counted and not enforced."""
    found = []
    if need.slots > slots:
        here = "this script" if is_script else "this runner"
        found.append(f"cpu_count asks for {need.slots} slots and {here} has {slots}: the step has all of them.")
    if need.gpus and is_script:
        found.append("gpu_count is recorded, but no GPU is reserved for this step: a script has no labels.")
    elif need.gpus:
        found.append("gpu_count is counted against the runner's label; the step itself sees every GPU of the machine.")
    return found


def read_labels(words: Mapping[str, str]) -> dict[str, str]:
    """Return a runner's labels; ``gpu`` is how many GPUs it has, by default as many as the machine shows.

    Raises:
        UsageError: A name or the number does not fit.
    """
    labels = {"gpu": str(count)} if (count := len(glob.glob("/dev/nvidia[0-9]*"))) else {}
    for name, value in words.items():
        if not _LABEL.fullmatch(name) or len(value) > 255 or not value.isprintable():
            raise UsageError(
                f"--label {name[:80]}={value[:80]} is not a label.", hint="Write for example --label gpu=2."
            )
        if name == "gpu" and not (value.isascii() and value.isdigit() and len(value) < 5):
            raise UsageError(
                f"--label gpu={value[:80]} is not a number of GPUs.", hint="Write for example --label gpu=2."
            )
        labels[name] = value
    return labels


def gpus_of(labels: Mapping[str, Any]) -> int:
    """Return how many GPUs a runner's labels give it."""
    text = str(labels.get("gpu", "0"))
    return int(text) if text.isdigit() else 0
