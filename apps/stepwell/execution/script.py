"""A script as its own small runner: the same engine, store and step processes, in one single-threaded loop."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import close_old_connections, transaction

from stepwell.core.plan import Overrides, PipelineSpec, Plan
from stepwell.core.status import TERMINAL_RUN, AttemptStatus, RunStatus, StepKind, StepStatus, Trigger
from stepwell.engine.ports import ErrorInfo, Outcome
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Group, Supervision
from stepwell.errors import StepwellError, UsageError
from stepwell.execution import (
    actions,
    archives,
    launching,
    nodes,
    operators,
    planning,
    registration,
    room,
    runnames,
    sweep,
    worker,
)
from stepwell.execution.claims import Claim, claim, waiting_of
from stepwell.execution.doorbell import AnswerHere
from stepwell.execution.flights import Flight, land
from stepwell.execution.interrupts import CtrlC
from stepwell.execution.news import Teller
from stepwell.execution.steplog import open_log
from stepwell.execution.watching import AttemptWatcher, StopRequests
from stepwell.kit.steady import AWAY, keep_connections
from stepwell.pipelines.actions import store_snapshot
from stepwell.pipelines.models import Snapshot
from stepwell.runs import events
from stepwell.runs.models import Run, RunnerNode, StepRun

_LOOK_SECONDS = 0.25
_SEEN_SECONDS = 5
#: a script gives up when the database is away for longer
_AWAY_SECONDS = 120
_MOST_PARALLEL = 8
_FROM_OUTSIDE = (StepKind.CLEANUP, StepKind.DRIVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun:
    """What became of a run a script made."""

    id: UUID
    number: int
    name: str
    pipeline: str
    status: str
    reason: str
    #: base64 of the first failing step's exception, pickled by its own process, or empty
    pickled_exception: str = ""
    failed_step: str = ""
    error_type: str = ""
    error_message: str = ""


def run_plan(
    *,
    plan: Plan,
    spec: PipelineSpec,
    parameters: dict[str, Any],
    host: StepHost,
    entry_file: str,
    source_root: str,
) -> ScriptRun:
    """Store a run of a traced pipeline, run its steps, and return what became of it.

    Raises:
        NotFound: A step names a secret that does not exist.
        KeyboardInterrupt: Ctrl-C; the run is cancelled first. A second one while it is being cancelled leaves at once.
    """
    keep_connections()
    node = nodes.register(RunnerNode.Kind.SCRIPT, slots=parallel_steps())
    try:
        return _Loop(node_id=node.id, host=host).run(plan, _snapshot(spec, entry_file, source_root), parameters)
    finally:
        host.close()
        nodes.stopped(node.id)


def parallel_steps() -> int:
    """Return how many steps a script runs at once."""
    return max(1, min(_MOST_PARALLEL, len(os.sched_getaffinity(0))))


def _snapshot(spec: PipelineSpec, entry_file: str, source_root: str) -> Snapshot:
    code_hash, entry_name, commit = "", "", ""
    if entry_file:
        try:
            code_hash = archives.keep(Path(source_root), entry_file=Path(entry_file))
            entry_name = Path(entry_file).resolve().relative_to(Path(source_root).resolve()).as_posix()
            commit = registration.git_commit(Path(source_root))
        except UsageError as exc:
            _say(f"{exc} This run cannot be rerun from the dashboard.")
    return store_snapshot(spec, code_hash=code_hash, entry_file=entry_name, git_commit=commit)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@dataclass(slots=True)
class _Loop:
    node_id: UUID
    host: StepHost
    stops: StopRequests = field(default_factory=StopRequests)
    waiting: deque[UUID] = field(default_factory=deque)
    #: drivers and clean-ups that are started whatever else runs
    unslotted: deque[UUID] = field(default_factory=deque)
    teller: Teller = field(default_factory=Teller)
    flights: dict[UUID, Flight] = field(default_factory=dict)
    group: Group = field(default_factory=Group)
    #: step -> its latest exception, base64 of what its own process pickled
    pickled: dict[UUID, str] = field(default_factory=dict)
    ctrl_c: CtrlC = field(default_factory=CtrlC)
    #: whether the run was asked to stop because of Ctrl-C
    interrupted: bool = False
    #: ended, and not yet written down
    landing: list[Supervision] = field(default_factory=list)

    def run(self, plan: Plan, snapshot: Snapshot, parameters: dict[str, Any]) -> ScriptRun:
        with AnswerHere() as self_made:
            run = self._store(plan, snapshot, parameters)
        self.waiting.extend(self_made)
        _say(f"Run #{run.number} of {snapshot.pipeline.name} has started.")
        with self.ctrl_c:
            self._until_finished(run)
        run.refresh_from_db()
        _say(
            f"Run #{run.number} {run.status}."
            if not run.status_reason
            else f"Run #{run.number} {run.status}: {run.status_reason}"
        )
        self.teller.close()
        if self.interrupted:
            raise KeyboardInterrupt
        return _answer(run, self.pickled)

    def _store(self, plan: Plan, snapshot: Snapshot, parameters: dict[str, Any]) -> Run:
        with transaction.atomic():
            run = Run(
                number=actions.next_run_number(),
                pipeline=snapshot.pipeline,
                snapshot=snapshot,
                status=RunStatus.QUEUED,
                parameters=parameters,
                overrides=Overrides(variant=plan.variant).model_dump(mode="json", exclude_none=True),
                trigger=Trigger.SCRIPT,
                actor_name=os.environ.get("USER", ""),
                script_node_id=self.node_id,
            )
            run.name = runnames.first_name(run)
            run.save(force_insert=True)
            events.record(run.id, "run.created", {"trigger": "script", "by": run.actor_name, "number": run.number})
            planning.store_plan(run, plan.model_dump(mode="json"))
        run.refresh_from_db()
        return run

    def _until_finished(self, run: Run) -> None:
        looked_at = seen_at = answered_at = time.monotonic() - _SEEN_SECONDS
        while True:
            # What runs is supervised whatever the database does.
            self.landing += self.group.run_once(_LOOK_SECONDS if self.flights else 0.02)
            now = time.monotonic()
            try:
                while self.landing:
                    self._land(self.landing[0])
                    self.landing.pop(0)
                if self.ctrl_c.was_pressed and not self.interrupted:
                    self._cancel(run)
                self._start_waiting()
                self.teller.tell()
                if now - looked_at >= _LOOK_SECONDS:
                    looked_at = now
                    self._look(run)
                if now - seen_at >= _SEEN_SECONDS:
                    seen_at = now
                    nodes.seen(self.node_id)
                if not self.flights and not self.waiting and self._is_finished():
                    return
                answered_at = now
            except AWAY as exc:
                close_old_connections()
                if now - answered_at > _AWAY_SECONDS:
                    raise
                _say(f"Waiting for the database: {str(exc).strip()}")

    def _look(self, run: Run) -> None:
        with AnswerHere() as made:
            sweep.start_due(script_node_id=self.node_id)
        self.waiting.extend(made)
        # Somebody else's request to cancel may have left only the clean-up to do, a step was taken back from us while
        # we slept, or an answer starts a driver again.
        known = {*self.waiting, *self.unslotted}
        for attempt_id, kind in waiting_of(self.node_id):
            if attempt_id not in known:
                (self.unslotted if kind in _FROM_OUTSIDE else self.waiting).append(attempt_id)
        for attempt_id, reason in sweep.stop_requests(self.node_id).items():
            self.stops.ask(attempt_id, reason)

    def _is_finished(self) -> bool:
        return not Run.objects.filter(script_node_id=self.node_id).exclude(status__in=TERMINAL_RUN).exists()

    def _start_waiting(self) -> None:
        """Start what there are places for; a driver takes none.

        One that cannot be claimed because the database is away is found again by the next look.
        """
        while self.unslotted or (self.waiting and self._has_room(self.waiting[0])):
            attempt_id = (self.unslotted or self.waiting).popleft()
            claimed = claim(attempt_id, owner_id=self.node_id, script=True)
            if claimed is not None:
                self._launch(claimed)

    def _has_room(self, attempt_id: UUID) -> bool:
        """Return whether an attempt may start: its slots are free, or it asks for more than there are and is alone."""
        # An attempt whose result is stored, and that only runs its hooks, keeps nobody waiting.
        steps = (one for one in self.flights.values() if one.claim.step.kind != StepKind.DRIVER)
        used = sum(_need(one.claim).slots for one in steps if not one.watcher.published)
        return not used or (used < parallel_steps() and used + room.need_of(attempt_id).slots <= parallel_steps())

    def _launch(self, claimed: Claim) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        try:
            launch = launching.prepare(claimed, environment=environment, return_exception=True)
            snapshot = claimed.step.run.snapshot
            place = operators.host_for(launch.operator, snapshot) if launch.operator else None
        except StepwellError as exc:
            error = ErrorInfo(type=type(exc).__name__, message=str(exc), retryable=False)
            self._publish(
                AttemptWatcher(claimed, stops=self.stops),
                Outcome(status=AttemptStatus.FAILED, reason=str(exc), error=error),
            )
            return
        masker = launch.masker()
        watcher = _ScriptWatcher(claimed, stops=self.stops, loop=self)
        remarks = room.remarks(_need(claimed), slots=parallel_steps(), is_script=True)
        writer = open_log(claimed, launch, is_echoed=True, remarks=remarks)
        supervision = Supervision(
            place or self.host,
            launch.spec,
            log=writer,
            masker=masker,
            watcher=watcher,
            pace=worker.pace(),
            timeout=launch.options.timeout,
            held_since=claimed.claimed_at,
        )
        self.flights[claimed.attempt.id] = Flight(claimed, watcher, writer, launch, supervision, place)
        if claimed.step.kind == StepKind.DRIVER:
            self.teller.follow(claimed, supervision)
        self.group.add(supervision)

    def _land(self, supervision: Supervision) -> None:
        flight = next(flight for flight in self.flights.values() if flight.supervision is supervision)
        if (hook := land(flight, supervision, host=flight.place or self.host)) is not None:
            self.group.add(hook)
            return
        if flight.place is not None:
            flight.place.close()
        self.teller.forget(flight.claim)
        del self.flights[flight.claim.attempt.id]

    def _publish(self, watcher: AttemptWatcher, outcome: Outcome) -> None:
        with AnswerHere() as made:
            watcher.result(outcome)
        self.waiting.extend(made)

    def _cancel(self, run: Run) -> None:
        with AnswerHere() as made, suppress(actions.RunFinished):
            actions.cancel_run(run=run, by="Ctrl-C")
        self.interrupted = True
        self.waiting.extend(made)
        self._look(run)
        _say("Stopping: the run is cancelled. Press Ctrl-C again to leave at once.")


def _need(claimed: Claim) -> room.Need:
    return room.need_of_options(claimed.step.plan.get("options", {}))


_OURS = {"DATABASE_URL", "REDIS_URL", "STEPWELL_SECRET_KEY", "DJANGO_SETTINGS_MODULE", "DJANGO_ALLOW_ASYNC_UNSAFE"}


class _ScriptWatcher(AttemptWatcher):
    """Hands what follows to the script's loop instead of the queue."""

    def __init__(self, claimed: Claim, *, stops: StopRequests, loop: _Loop) -> None:
        super().__init__(claimed, stops=stops)
        self._loop = loop

    def result(self, outcome: Outcome) -> Outcome | None:
        if outcome.status == AttemptStatus.FAILED:
            pickled = (outcome.result.get("error") or {}).get("pickled")
            self._loop.pickled[self.claim.step.id] = str(pickled or "")
        return super().result(outcome)

    def frame(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        with AnswerHere() as made:
            answer = super().frame(frame)
        self._loop.waiting.extend(made)
        return answer

    def _pass_on(self, made: list[UUID]) -> None:
        self._loop.waiting.extend(made)


def _answer(run: Run, pickled: dict[UUID, str]) -> ScriptRun:
    failures = StepRun.objects.filter(run=run, status=StepStatus.FAILED).order_by("ended_at")
    failed = failures.filter(kind=StepKind.DRIVER).first() or failures.first()
    attempt = failed.attempts.order_by("-number").first() if failed else None
    return ScriptRun(
        id=run.id,
        number=run.number,
        name=run.name,
        pipeline=run.pipeline.name,
        status=run.status,
        reason=run.status_reason,
        pickled_exception=pickled.get(failed.id, "") if failed else "",
        failed_step=failed.invocation_id if failed and failed.kind != StepKind.DRIVER else "",
        error_type=attempt.error_type if attempt else "",
        error_message=attempt.error_message if attempt else "",
    )
