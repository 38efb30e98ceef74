"""The drivers a runner supervises: all of them in one thread, so that none holds a step slot."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from uuid import UUID

from django.db import close_old_connections

from stepwell.core.status import AttemptStatus, StepKind
from stepwell.engine.ports import ErrorInfo, Outcome
from stepwell.engine.supervise import Group, Supervision
from stepwell.errors import StepwellError
from stepwell.execution import launching, worker
from stepwell.execution.claims import Claim, claim
from stepwell.execution.doorbell import ring
from stepwell.execution.flights import Flight, land
from stepwell.execution.hosts import HostPool, base_environment
from stepwell.execution.news import Teller
from stepwell.execution.steplog import open_log
from stepwell.execution.watching import AttemptWatcher, StopRequests
from stepwell.runs.models import Attempt

log = logging.getLogger(__name__)
_ROUND_SECONDS = 0.2
#: how often drivers are looked for that no slot had the time to hand over
_LOOK_SECONDS = 0.5


class Drivers(threading.Thread):
    """Supervises drivers until ``stop``. ``take`` and ``stop`` are for other threads."""

    def __init__(self, *, node_id: UUID, hosts: HostPool, stops: StopRequests) -> None:
        super().__init__(name="Drivers", daemon=True)
        self.node_id = node_id
        self._hosts = hosts
        self._stops = stops
        self._claimed: queue.SimpleQueue[Claim] = queue.SimpleQueue()
        self._group = Group()
        self._group.open_bell()
        self._flights: dict[Supervision, Flight] = {}
        #: their process is gone, what they left is not all stored
        self._landing: deque[Supervision] = deque()
        self._teller = Teller(wake=self._group.ring)
        self._stopping = threading.Event()
        self._looked_at = 0.0

    def take(self, claimed: Claim) -> None:
        """Supervise a driver that this node has claimed."""
        self._claimed.put(claimed)
        self._group.ring()

    def stop(self) -> None:
        """Hand back every driver: its journal is stored, so the next runner goes on from there."""
        self._stopping.set()
        self._group.ring()

    def run(self) -> None:
        while not (self._stopping.is_set() and not self._flights and self._claimed.empty()):
            try:
                self._round()
            except Exception:
                # Boundary of the thread: a database that is away for a moment must not end all drivers.
                log.exception("A round of the drivers' supervisor failed; the next one is tried.")
                close_old_connections()
                time.sleep(_ROUND_SECONDS)
        self._teller.close()

    def _round(self) -> None:
        while not self._claimed.empty():
            self._launch(self._claimed.get())
        if self._stopping.is_set():
            for supervision in self._group:
                supervision.ask("stop")
        elif time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._claim_queued()
        self._landing.extend(self._group.run_once(_ROUND_SECONDS if self._flights else _LOOK_SECONDS))
        while self._landing:
            self._land(self._landing[0])
            self._landing.popleft()
        self._teller.tell()

    def _claim_queued(self) -> None:
        queued = Attempt.objects.filter(
            status=AttemptStatus.QUEUED, step_run__kind=StepKind.DRIVER, step_run__run__script_node_id=None
        )
        for attempt_id in list(queued.order_by("id").values_list("id", flat=True)[:100]):
            if (claimed := claim(attempt_id, owner_id=self.node_id)) is not None:
                self._launch(claimed)

    def _launch(self, claimed: Claim) -> None:
        snapshot = claimed.step.run.snapshot
        try:
            launch = launching.prepare(claimed, environment=base_environment())
            host = self._hosts.take(snapshot)
        except StepwellError as exc:
            error = ErrorInfo(type=type(exc).__name__, message=str(exc), retryable=False)
            ended = Outcome(status=AttemptStatus.FAILED, reason=str(exc), error=error)
            worker.end_unstarted(claimed, ended, self._stops)
            return
        watcher = _DriverWatcher(claimed, stops=self._stops)
        writer = open_log(claimed, launch)
        supervision = Supervision(
            host,
            launch.spec,
            log=writer,
            masker=launch.masker(),
            watcher=watcher,
            pace=worker.pace(),
            held_since=claimed.claimed_at,
        )
        self._flights[supervision] = Flight(claimed, watcher, writer, launch, supervision)
        self._teller.follow(claimed, supervision)
        self._group.add(supervision)

    def _land(self, supervision: Supervision) -> None:
        flight = self._flights[supervision]
        snapshot = flight.claim.step.run.snapshot
        host = self._hosts.take(snapshot)
        try:
            hook = land(flight, supervision, host=host)
        finally:
            self._hosts.release(snapshot)
        del self._flights[supervision]
        if hook is not None:
            self._flights[hook] = flight
            self._group.add(hook)
            return
        self._teller.forget(flight.claim)
        self._hosts.release(snapshot)
        self._stops.forget(flight.claim.attempt.id)


class _DriverWatcher(AttemptWatcher):
    """Rings for everything that follows: this thread takes no step itself."""

    def _pass_on(self, made: list[UUID]) -> None:
        for attempt_id in made:
            ring(attempt_id)
