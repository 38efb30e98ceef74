"""What a supervisor reports of one attempt, written to the database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, transaction

from stepwell.core import failpoints
from stepwell.core.status import TERMINAL_ATTEMPT, AttemptStatus
from stepwell.engine.ports import Outcome
from stepwell.execution import calls, claims, driving, hookcalls, inputs, moves, publish
from stepwell.execution.claims import Claim, LeaseLost
from stepwell.execution.doorbell import AnswerHere, ring
from stepwell.kit.prepared import Slot, Update
from stepwell.runs import events
from stepwell.runs.models import Attempt, Run, StepRun

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
_MOST_METADATA_KEYS = 1000
_MOST_MESSAGE = 20_000
_MOST_TRACEBACK = 100_000


_SEAL = Update(lambda: Attempt.objects.filter(id=Slot("attempt"), fence=Slot("fence")))


class StopRequests:
    """Which attempts of this process are to stop, and why. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: dict[UUID, str] = {}
        #: no attempt is taken any more; those that run go on
        self.draining = threading.Event()
        #: those that run are stopped and handed back
        self.shutting_down = threading.Event()
        #: they are not given time to end by themselves
        self.is_urgent = False

    def ask(self, attempt_id: UUID, reason: str) -> None:
        with self._lock:
            self._reasons.setdefault(attempt_id, reason)

    def reason(self, attempt_id: UUID) -> str:
        with self._lock:
            return self._reasons.get(attempt_id, "")

    def forget(self, attempt_id: UUID) -> None:
        with self._lock:
            self._reasons.pop(attempt_id, None)


def _gives_connection_back(method: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let go of the database after the call: one that broke is opened anew, and a step of hours keeps none busy."""

    @wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Answer:
        try:
            return method(*args, **kwargs)
        finally:
            close_old_connections()

    return wrapped


class AttemptWatcher:
    """``engine.ports.Watcher`` for one claimed attempt. What it is told was masked by the supervisor."""

    def __init__(self, claim: Claim, *, stops: StopRequests) -> None:
        self.claim = claim
        self.published = False
        #: the attempt this worker takes next without waiting for the queue
        self.follow_up: UUID | None = None
        #: names of hooks that the process began
        self.hooks_begun: set[str] = set()
        self._stops = stops
        self._renewed_at = claim.claimed_at

    @_gives_connection_back
    def started(self, *, pid: int) -> None:
        claims.note_started(self.claim, pid=pid)

    @_gives_connection_back
    def beat(self, *, progress: dict[str, Any] | None, log_bytes: int, log_lines: int) -> str:
        if self._stops.reason(self.claim.attempt.id):
            return "cancel"
        if self._stops.shutting_down.is_set():
            return "halt" if self._stops.is_urgent else "stop"
        if time.monotonic() - self._renewed_at < settings.HEARTBEAT_SECONDS:
            return "go"
        began = time.monotonic()
        if not claims.renew(self.claim, progress=progress, log_bytes=log_bytes, log_lines=log_lines):
            return "lost"
        self._renewed_at = began
        return "go"

    @_gives_connection_back
    def frame(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        if frame.get("t") == "call" and str(frame.get("op")).startswith("driver."):
            return calls.answer_driver(frame, claim=self.claim)
        if frame.get("t") == "loads":
            return driving.note_loads(self.claim, frame["entries"])
        if frame.get("t") == "call":
            return calls.answer_frame(frame, asker=calls.Asker(claim=self.claim))
        if frame.get("t") == "hook_begins":
            self.hooks_begun.add(str(frame.get("hook", "")))
            return None
        handler = {
            "metadata": self._store_metadata,
            "tags": self._store_tags,
            "warning": self._store_warning,
            "hook": self._store_hook,
            "loaded": self._store_loaded,
        }.get(str(frame.get("t")))
        if handler is not None:
            with transaction.atomic():
                moves.lock_run(id=self.claim.step.run_id)
                handler(frame)
        return None

    @_gives_connection_back
    def result(self, outcome: Outcome) -> Outcome | None:
        """Publish the outcome; a lost lease is left alone: its new owner's result stands."""
        if self.published or outcome.status not in TERMINAL_ATTEMPT:
            return None
        failpoints.hit("after_rename_before_commit")
        self.published = True
        bounded = self._bounded(outcome)
        try:
            with AnswerHere() as made:
                stored = publish.publish(self.claim, bounded)
                failpoints.hit("after_commit_before_ack")
        except LeaseLost:
            if publish.is_stored(self.claim):
                # The answer to an earlier try was lost.
                self._pass_on(claims.waiting_in(self.claim.step.run_id))
                return None
            log.warning("Attempt %s was taken over; its result is dropped.", self.claim.attempt.id)
            return Outcome(status=AttemptStatus.INTERRUPTED, reason="lease lost")
        except BaseException:
            self.published = False
            raise
        self._pass_on(made)
        return None if stored is bounded else stored

    def _pass_on(self, made: list[UUID]) -> None:
        # Hooks may keep this process for seconds: then nobody waits for this thread.
        keeps_one = not any(self.claim.step.options.hooks.model_dump().values())
        self.follow_up = made.pop(0) if made and keeps_one else None
        for attempt_id in made:
            ring(attempt_id)

    @_gives_connection_back
    def sealed(self, *, log_bytes: int, log_lines: int, dropped: int, usage: Outcome) -> None:
        """Store what is known only once the process is gone."""
        sealed = {
            "log_bytes": log_bytes,
            "log_lines": log_lines,
            "log_dropped_bytes": dropped,
            "log_sealed": True,
            "cpu_seconds": usage.cpu_seconds,
            "peak_memory_bytes": usage.peak_memory_bytes,
        }
        _SEAL(sealed, attempt=self.claim.attempt.id, fence=self.claim.fence)

    def _bounded(self, outcome: Outcome) -> Outcome:
        error = outcome.error
        if error is not None:
            error = replace(error, message=error.message[:_MOST_MESSAGE], traceback=error.traceback[-_MOST_TRACEBACK:])
        asked = self._stops.reason(self.claim.attempt.id) if outcome.status == AttemptStatus.CANCELLED else ""
        return replace(outcome, reason=(asked or outcome.reason)[:_MOST_MESSAGE], error=error)

    def _store_metadata(self, frame: dict[str, Any]) -> None:
        step = StepRun.objects.select_for_update().get(id=self.claim.step.id)
        merged = {**step.metadata, **dict(frame.get("metadata") or {})}
        if len(merged) > _MOST_METADATA_KEYS:
            self._store_warning({"message": f"Metadata beyond {_MOST_METADATA_KEYS:,} keys was left out."})
            return
        StepRun.objects.filter(id=step.id).update(metadata=merged)
        events.record(step.run_id, "step.metadata", {"step": str(step.id), "keys": sorted(merged)[:50]})

    def _store_tags(self, frame: dict[str, Any]) -> None:
        run = Run.objects.select_for_update().only("tags").get(id=self.claim.step.run_id)
        tags = sorted({*run.tags, *(str(tag)[:100] for tag in frame.get("tags", []))})
        Run.objects.filter(id=run.id).update(tags=tags[:100])

    def _store_warning(self, frame: dict[str, Any]) -> None:
        payload = {"step": str(self.claim.step.id), "message": str(frame.get("message", ""))[:2000]}
        events.record(self.claim.step.run_id, "note", {**payload, "level": "warning"})

    def _store_loaded(self, frame: dict[str, Any]) -> None:
        inputs.record_loaded(self.claim.step, str(frame.get("artifact", "")))

    def _store_hook(self, frame: dict[str, Any]) -> None:
        hookcalls.told(self.claim, frame)
