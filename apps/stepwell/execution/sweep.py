"""The reaper: takes back what its owner cannot finish, starts what is due, rings for what was not heard.

Every runner runs it; each move is a compare-and-set, so any number of runners may.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from stepwell.core import failpoints
from stepwell.core.status import AttemptStatus, ExecutionMode, RunStatus, StepKind, StepStatus
from stepwell.engine import trees
from stepwell.engine.advance import advance
from stepwell.engine.ports import Outcome
from stepwell.execution import moves, nodes, publish, steplog
from stepwell.execution.claims import Claim, LeaseLost
from stepwell.execution.doorbell import ring
from stepwell.execution.stores import OrmRunStore
from stepwell.kit.models import DbNow, Row
from stepwell.kit.steady import AWAY
from stepwell.runs.models import Attempt, Run, RunnerNode, StepRun

log = logging.getLogger(__name__)
_PAGE = 200
_LIVE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.CANCELLING)
#: runs that stood still and were told of
_told_stalled: set[UUID] = set()
#: a step in one of these is somebody's to go on with
_MOVING = (StepStatus.QUEUED, StepStatus.RUNNING, StepStatus.RETRYING)
_RING_AGAIN_SECONDS = 5
#: a run that is asked to stop is stopped by force after this long
CANCEL_DEADLINE_SECONDS = 60


def sweep(*, is_steady: Callable[[], bool]) -> None:
    """Do one round of everything that does not need to be quick.

    ``is_steady()`` is False when this machine slept or its clock jumped: lapsed leases are left alone for this round.
    """
    keep_clocks_sane()
    reap_lapsed(is_steady)
    reap_dead_nodes()
    end_scripts_of_dead_nodes()
    ring_again()
    force_cancelled()
    resume_stalled()


def start_due(*, script_node_id: UUID | None = None) -> int:
    """Queue the next attempt of every step whose wait is over, of a script's runs or of all runs without a script."""
    due = StepRun.objects.filter(status=StepStatus.RETRYING, next_attempt_at__lte=DbNow()).order_by("next_attempt_at")
    due = due.filter(run__script_node_id=script_node_id)
    return sum(_each(list(due[:_PAGE]), _start))


def _start(step: StepRun) -> None:
    with transaction.atomic():
        moves.lock_run(id=step.run_id)
        if moves.move_step(step, StepStatus.QUEUED, reason=step.status_reason, next_attempt_at=None):
            moves.make_attempt(step)


def stop_requests(owner_id: UUID) -> dict[UUID, str]:
    """Return the attempts of ``owner_id`` that are to stop, with the reason."""
    mine = Attempt.objects.filter(status=AttemptStatus.RUNNING, owner_id=owner_id)
    # Cleaning up is what a run does last, also when it was cancelled.
    mine = mine.exclude(step_run__kind=StepKind.CLEANUP)
    cancelled = mine.filter(step_run__run__status=RunStatus.CANCELLING).values_list(
        "id", "step_run__run__cancel_requested_by"
    )
    asked = {attempt_id: f"Cancelled by {by}." if by else "The run was cancelled." for attempt_id, by in cancelled}
    # A driver hears of it at its next call.
    failing = mine.exclude(step_run__kind=StepKind.DRIVER).filter(
        step_run__run__execution_mode=ExecutionMode.FAIL_FAST, step_run__run__steps__status=StepStatus.FAILED
    )
    for attempt_id in failing.values_list("id", flat=True):
        asked.setdefault(attempt_id, "Another step failed, and this run stops at the first failure.")
    return asked


def reap_lapsed(is_steady: Callable[[], bool] = lambda: True) -> None:
    """Take back running attempts whose lease lapsed, or that have none, if ``is_steady()``."""
    running = Attempt.objects.annotate(now=DbNow()).filter(status=AttemptStatus.RUNNING)
    found = list(_pages(running.filter(_lapsed(DbNow()))))
    # A jump of the clock before they were read is seen now; one that comes after it has no part in what was read.
    if found and is_steady():
        list(_each(found, _take_back_lapsed))


def _take_back_lapsed(attempt: Attempt) -> None:
    read_at: float = attempt.now  # type: ignore[attr-defined]
    _crash(attempt, reason="Its runner stopped answering; the lease lapsed.", only_if=_lapsed(read_at))


def _lapsed(now: DbNow | float) -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lt=now)


def reap_dead_nodes() -> None:
    """Take back the attempts of processes of this host that are gone, without waiting for the lease."""
    for node in nodes.of_this_machine().filter(stopped_at__isnull=True):
        if nodes.is_alive(node):
            continue
        RunnerNode.objects.filter(id=node.id, stopped_at__isnull=True).update(stopped_at=timezone.now())
    dead = nodes.of_this_machine().filter(stopped_at__isnull=False).values("id")
    found = _pages(Attempt.objects.filter(status=AttemptStatus.RUNNING, owner_id__in=dead))
    # Nobody else writes its log any more.
    list(_each(found, partial(_crash, reason="Its runner was killed.", only_if=Q(), closes_log=True)))


def end_scripts_of_dead_nodes() -> None:
    """End the runs of scripts that are gone: nobody else has their code in memory."""
    # Of a script on this machine the process table knows better than a clock: a busy one may be late to say it lives.
    here = nodes.of_this_machine().values("id")
    unseen = Q(seen_at__lt=DbNow() - settings.LEASE_SECONDS) & ~Q(id__in=here)
    gone = RunnerNode.objects.filter(kind=RunnerNode.Kind.SCRIPT).filter(Q(stopped_at__isnull=False) | unseen)
    runs = Run.objects.filter(status__in=_LIVE, script_node_id__in=gone.values("id"))
    # What it ran is taken back first, when the lease lapsed.
    runs = runs.exclude(steps__attempts__status=AttemptStatus.RUNNING)
    list(_each(list(runs), _end_script))


def _end_script(run: Run) -> None:
    with transaction.atomic():
        moves.lock_run(id=run.id)
        waiting = StepRun.objects.filter(run=run, status__in=("pending", "queued", "retrying"))
        moves.cancel_queued(list(waiting), reason="The script that ran it is gone.")
        moves.move_run(run.id, RunStatus.FAILED, old=_LIVE, reason="The script that ran it was stopped.")


def ring_again() -> None:
    """Ring for attempts that were rung for a while ago and that nobody took."""
    unheard = Attempt.objects.filter(
        status=AttemptStatus.QUEUED,
        step_run__run__script_node_id=None,
    ).filter(Q(rung_at__isnull=True) | Q(rung_at__lt=DbNow() - _RING_AGAIN_SECONDS))
    ids = list(unheard.order_by("id").values_list("id", flat=True)[:_PAGE])
    for attempt_id in ids:
        ring(attempt_id)
    Attempt.objects.filter(id__in=ids, status=AttemptStatus.QUEUED).update(rung_at=DbNow())


def force_cancelled() -> None:
    """End runs that were asked to stop and did not within the deadline."""
    overdue = timezone.now() - timedelta(seconds=CANCEL_DEADLINE_SECONDS)
    late = Run.objects.filter(status=RunStatus.CANCELLING, cancel_requested_at__lt=overdue)
    list(_each(list(late), _force))


def _force(run: Run) -> None:
    for attempt in Attempt.objects.filter(step_run__run=run, status=AttemptStatus.RUNNING):
        cancelled = Outcome(status=AttemptStatus.CANCELLED, reason="Cancelled; it did not stop in time.")
        _take_back(attempt, cancelled, only_if=Q())
    with transaction.atomic():
        moves.lock_run(id=run.id)
        unheard = StepRun.objects.filter(run=run, kind=StepKind.CLEANUP, status=StepStatus.QUEUED)
        moves.cancel_queued(list(unheard), reason="It did not start in time.")
        advance(OrmRunStore(), run.id)


def resume_stalled() -> None:
    """Go on with runs in which nothing waits for anything: whoever was to go on with them did not."""
    live = Run.objects.filter(status__in=(RunStatus.RUNNING, RunStatus.CANCELLING), script_node_id=None)
    moving = StepRun.objects.filter(run=OuterRef("id"), status__in=_MOVING)
    list(_each(list(live.filter(~Exists(moving))[:_PAGE]), _advance))


def _advance(run: Run) -> None:
    if run.id not in _told_stalled:
        log.warning("Run #%s stood still; it is taken on.", run.number)
        _told_stalled.add(run.id)
    with transaction.atomic():
        moves.lock_run(id=run.id)
        advance(OrmRunStore(), run.id)


def keep_clocks_sane() -> None:
    """Bring back what a clock that was set back left far in the future: leases, waits and rings."""
    far = DbNow() + 2 * settings.LEASE_SECONDS
    running = Attempt.objects.filter(status=AttemptStatus.RUNNING, lease_until__gt=far)
    running.update(lease_until=DbNow() + settings.LEASE_SECONDS)
    Attempt.objects.filter(status=AttemptStatus.QUEUED, rung_at__gt=far).update(rung_at=None)
    late = StepRun.objects.filter(status=StepStatus.RETRYING, next_attempt_at__gt=far)
    # A driver's is the deadline of a question, which may be days away.
    for step in late.exclude(kind=StepKind.DRIVER)[:_PAGE]:
        wait = step.options.retry.wait_before(step.failures)
        too_late = StepRun.objects.filter(id=step.id, status=StepStatus.RETRYING, next_attempt_at__gt=DbNow() + wait)
        too_late.update(next_attempt_at=DbNow() + wait)


def _each(rows: Iterable[Row], act: Callable[[Row], object]) -> Iterator[bool]:
    """Act on every row; one that cannot be handled is told of and does not keep the others waiting."""
    for row in rows:
        try:
            act(row)
        except AWAY:
            raise
        except Exception:
            # Boundary of the reaper: whatever is wrong with this row, the next ones have a right to be looked at.
            log.exception("%s %s could not be taken care of.", type(row).__name__, row.pk)
            yield False
        else:
            yield True


def _crash(attempt: Attempt, *, reason: str, only_if: Q, closes_log: bool = False) -> None:
    _take_back(attempt, Outcome(status=AttemptStatus.CRASHED, reason=reason), only_if=only_if, closes_log=closes_log)


def _take_back(attempt: Attempt, outcome: Outcome, *, only_if: Q, closes_log: bool = False) -> None:
    """End an attempt its owner cannot, if ``only_if`` is still true of it."""
    # With the fence raised, the old owner can store nothing from here on; then its processes go, and only then may
    # another attempt start.
    mine = Attempt.objects.filter(only_if, id=attempt.id, fence=attempt.fence, status=AttemptStatus.RUNNING)
    if not mine.update(fence=F("fence") + 1):
        return
    log.warning("Attempt %s is taken back: %s", attempt.id, outcome.reason)
    if attempt.host == nodes.host_name():
        for pid in trees.find_left_behind(marker=str(attempt.id)):
            trees.signal_tree(pid, signal.SIGKILL)
    if closes_log:
        steplog.close(attempt, outcome.reason)
    step = StepRun.objects.select_related("run").get(id=attempt.step_run_id)
    claim = Claim(attempt=attempt, step=step, owner_id=attempt.owner_id, fence=attempt.fence + 1)
    try:
        with transaction.atomic():
            publish.publish(claim, outcome)
            failpoints.hit("during_reap")
    except LeaseLost:
        log.info("Attempt %s ended meanwhile.", attempt.id)


def _pages(attempts: Any) -> Iterator[Attempt]:
    """Yield rows in keyset pages, so that rows that cannot be handled never hide those behind them."""
    after = UUID(int=0)
    while True:
        page = list(attempts.filter(id__gt=after).order_by("id")[:_PAGE])
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id
