"""The runner process: Huey's thread workers as step slots, and the clock that sweeps, retries and stops."""

from __future__ import annotations

import logging
import signal
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

from django.conf import settings
from django.db import close_old_connections

from stepwell.accounts.models import InstanceSettings
from stepwell.alerts.delivering import deliver_due
from stepwell.engine import trees
from stepwell.execution import bulk, clock, disk, doorbell, inputs, nodes, orphans, queueing, retention, sweep
from stepwell.execution.couriers import Courier
from stepwell.execution.drivers import Drivers
from stepwell.execution.hosts import HostPool
from stepwell.execution.latehooks import Redelivery
from stepwell.execution.queueing import Consumer, HueyWorker, Scheduler
from stepwell.execution.room import Room, gpus_of
from stepwell.execution.watching import StopRequests
from stepwell.execution.worker import Worker, pace
from stepwell.kit.steady import AWAY, keep_connections, steadily
from stepwell.runs.models import RunnerNode
from stepwell.sdk.artifactstore import ArtifactStore

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
#: how long the other idle slots rest unless they are woken
_REST_SECONDS = 1.0
_TICK_SECONDS = 0.25
#: a database that is away when a runner starts is waited for
_START_SECONDS = 30
#: runs of bulk jobs handled between two looks at everything else
_BULK_A_TICK = 10
#: how often drafts whose process died, and runs that are too old, are looked for
_TIDY_SECONDS = 3600


class SlotWorker(HueyWorker):
    """One step slot. A slot above the number in the settings rests, and all do while the disk is full."""

    slots = 1
    rests = threading.Event()
    #: held by the one idle slot that watches the queue for all
    _watching = threading.Lock()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.index = 0

    def loop(self, now: Any = None) -> None:
        if self.index >= SlotWorker.slots or SlotWorker.rests.is_set():
            self.stop_flag.wait(0.5)
            return
        try:
            self._take_one()
        except Exception:
            # Boundary of the slot: whatever went wrong with one attempt, the slot takes the next.
            log.exception("A step slot met an error; it goes on.")
            close_old_connections()

    def _take_one(self) -> None:
        with suppress(IndexError):
            self.huey.take(doorbell.unrung.popleft())
            return
        task = queueing.next_task()
        if task is not None:
            # This slot watches no longer, and where one message was there may be more.
            with doorbell.rung:
                doorbell.rung.notify()
            # Huey would ask its server before and after whether the task was revoked; none ever is.
            task.execute()
        elif queueing.outage.is_on or not self.huey.storage.blocking:
            self.sleep()

    def sleep(self) -> None:
        watches = self._watching.acquire(blocking=False)
        try:
            with doorbell.rung:
                doorbell.rung.wait(_POLL_SECONDS if watches else _REST_SECONDS)
        finally:
            if watches:
                self._watching.release()


class NoScheduler(Scheduler):
    """Waits for the end: what is due later stands in the database, never in Huey's schedule."""

    def loop(self, now: Any = None) -> None:
        self.stop_flag.wait(1)


class SlotConsumer(Consumer):
    """Huey's consumer with slots that can be changed while it runs, and signals left to the runner."""

    worker_class = SlotWorker
    scheduler_class = NoScheduler

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for index, (worker, _) in enumerate(self.worker_threads):
            worker.index = index

    def _set_signal_handlers(self) -> None:
        pass

    def set_slots(self, slots: int) -> None:
        """Use ``slots`` workers from now on; steps that run are not touched."""
        SlotWorker.slots = slots
        while len(self.worker_threads) < slots:
            worker = self._create_worker()
            worker.index = len(self.worker_threads)
            thread = self._create_process(worker, f"Worker-{worker.index + 1}")
            self.worker_threads.append((worker, thread))
            thread.start()


class Gaps:
    """Whether this process or machine just slept, its clock jumped, or the database was away.

    Leases then look lapsed that are not, or whose owners are about to hand them back.
    """

    def __init__(self) -> None:
        self._wall, self._steady = time.time(), time.monotonic()
        self._quiet_until = 0.0
        self._away_since: float | None = None

    @property
    def is_recent(self) -> bool:
        """The supervisors of this machine have not had the time yet to renew their leases."""
        return time.monotonic() < self._quiet_until

    def is_steady(self) -> bool:
        """Look at the clocks, and return whether leases that lapsed by them have lapsed."""
        self.look()
        return not self.is_recent

    def look(self) -> None:
        """Compare the clocks with the last look; call it several times a second."""
        wall, steady = time.time(), time.monotonic()
        slept = steady - self._steady
        if slept > settings.LEASE_SECONDS / 3 or abs(wall - self._wall - slept) > min(5, settings.LEASE_SECONDS / 3):
            self._quiet_until = steady + 2 * settings.HEARTBEAT_SECONDS + 1
        self._wall, self._steady = wall, steady

    def note(self, *, is_away: bool) -> None:
        """Take down whether the database answered."""
        now = time.monotonic()
        if not is_away:
            self._away_since = None
            return
        self._away_since = self._away_since or now
        if now - self._away_since > settings.LEASE_SECONDS / 3:
            self._quiet_until = now + 2 * settings.HEARTBEAT_SECONDS + 1


class Runner:
    """A runner from start to stop."""

    def __init__(self, *, labels: dict[str, str] | None = None) -> None:
        self.labels = labels or {}
        self.stops = StopRequests()
        self.hosts = HostPool()
        self._stopping = threading.Event()
        self._signals = 0
        self._gaps = Gaps()

    def run(self) -> None:
        """Run until SIGTERM, SIGINT or SIGHUP: then take no step, give running ones the grace, and hand back the rest.

        A second signal hands them back at once.
        """
        self._listen_for_signals()
        keep_connections()
        trees.become_subreaper()
        found = steadily(InstanceSettings.load, seconds=_START_SECONDS, what="The runner's start")
        slots = found.step_slots
        register = partial(nodes.register, RunnerNode.Kind.RUNNER, slots=slots, labels=self.labels)
        self.node = steadily(register, seconds=_START_SECONDS, what="The runner's start")
        self.drivers = Drivers(node_id=self.node.id, hosts=self.hosts, stops=self.stops)
        self.drivers.start()
        place = Room(slots=lambda: SlotWorker.slots, gpus=gpus_of(self.labels))
        self.worker = Worker(
            node_id=self.node.id, hosts=self.hosts, stops=self.stops, place=place, hand_over=self.drivers.take
        )
        queueing.huey.take = self.worker.take
        self.consumer = SlotConsumer(
            queueing.huey, workers=slots, periodic=False, initial_delay=_POLL_SECONDS, max_delay=_POLL_SECONDS
        )
        SlotWorker.slots = slots
        self.consumer.start()
        hooks = Redelivery(node_id=self.node.id, hosts=self.hosts, pace=pace())
        self.couriers = [Courier("hooks", hooks.round), Courier("alerts", deliver_due)]
        for courier in self.couriers:
            courier.start()
        log.info("Runner %s is ready with %d step slots.", self.node.id, slots)
        try:
            self._tick_until_stopped()
        finally:
            self._shut_down()

    def stop(self, *_: Any) -> None:
        """Ask the runner to stop; a second call stops the steps at once."""
        self._signals += 1
        self._stopping.set()
        self.stops.draining.set()
        if self._signals > 1:
            self.stops.is_urgent = True
            self.stops.shutting_down.set()

    def _listen_for_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Started by nohup, it outlives its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.stop)

    def _tick_until_stopped(self) -> None:
        next_sweep = next_tidy = 0.0
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self._gaps.look()
                self._tick()
                if time.monotonic() >= next_sweep:
                    self._sweep()
                    next_sweep = time.monotonic() + settings.SWEEP_SECONDS
                if time.monotonic() >= next_tidy:
                    next_tidy = time.monotonic() + self._tidy()
                self._gaps.note(is_away=False)
            except AWAY as exc:
                self._gaps.note(is_away=True)
                log.warning("The runner's clock waits for the database: %s", str(exc).strip())
                close_old_connections()
                self._stopping.wait(1)
            except Exception:
                # Boundary of the clock: a database that is away for a moment must not end the runner.
                log.exception("A round of the runner's clock failed; the next one is tried.")
                close_old_connections()

    def _tidy(self) -> float:
        """Remove what is old; return the seconds until there may be more."""
        ArtifactStore(inputs.artifact_root()).sweep()
        orphans.sweep()
        return _TICK_SECONDS if retention.retire_old_runs() else _TIDY_SECONDS

    def _tick(self) -> None:
        sweep.start_due()
        for attempt_id, reason in sweep.stop_requests(self.node.id).items():
            self.stops.ask(attempt_id, reason)
        clock.fire_due()
        bulk.work_off(limit=_BULK_A_TICK)

    def _sweep(self) -> None:
        slots = InstanceSettings.load().step_slots
        if slots != SlotWorker.slots:
            self.consumer.set_slots(slots)
        self._watch_disk()
        nodes.seen(self.node.id, slots=slots)
        sweep.sweep(is_steady=self._gaps.is_steady)
        self.hosts.close_unused()
        # What a dead step host left behind was handed to this process.
        trees.reap_unknown_children(())

    def _watch_disk(self) -> None:
        problem = disk.shortage()
        if problem and not SlotWorker.rests.is_set():
            log.error("%s No step is taken until there is room.", problem)
            SlotWorker.rests.set()
        elif not problem and SlotWorker.rests.is_set():
            log.info("There is room on the disk again; steps are taken.")
            SlotWorker.rests.clear()

    def _shut_down(self) -> None:
        self.consumer.stop_flag.set()
        self.drivers.stop()
        with doorbell.rung:
            doorbell.rung.notify_all()
        for courier in self.couriers:
            courier.stop.set()
        deadline = time.monotonic() + settings.GRACE_SECONDS
        while self._is_busy() and time.monotonic() < deadline and not self.stops.shutting_down.is_set():
            time.sleep(0.05)
        self.stops.shutting_down.set()
        deadline = time.monotonic() + 2 * settings.GRACE_SECONDS
        while self._is_busy() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.hosts.close()
        for courier in self.couriers:
            courier.join(settings.GRACE_SECONDS)
        with suppress(*AWAY):
            steadily(partial(nodes.stopped, self.node.id), seconds=settings.GRACE_SECONDS, what="The runner's end")
        log.info("Runner %s has stopped.", self.node.id)

    def _is_busy(self) -> bool:
        threads = [self.drivers, *(thread for _, thread in self.consumer.worker_threads)]
        return self.worker.is_busy or any(thread.is_alive() for thread in threads)


def run_runner(*, labels: dict[str, str] | None = None) -> None:
    """Run a runner in this process until it is told to stop. ``labels`` say what the machine has: ``{"gpu": "2"}``."""
    Runner(labels=labels).run()
