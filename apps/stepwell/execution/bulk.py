"""Acts on many runs: chosen when they are asked for, carried out by runners, each run once whatever dies meanwhile."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils import timezone

from stepwell.accounts import audit
from stepwell.accounts.models import User
from stepwell.core.status import RerunScope
from stepwell.core.wire_artifacts import TagsToChange, Target
from stepwell.desk.failures import acknowledge, withdraw
from stepwell.desk.models import BulkItem, BulkJob, Notice
from stepwell.errors import Denied, StepwellError, UsageError
from stepwell.execution import actions, notes
from stepwell.runs.models import Run

log = logging.getLogger(__name__)
MOST_RUNS = 10_000
_LONGEST = 500
ON_TAGS = {BulkJob.Act.TAG, BulkJob.Act.UNTAG}
_SCOPES = {BulkJob.Act.RERUN: RerunScope.WHOLE, BulkJob.Act.RERUN_FAILED: RerunScope.FROM_FAILED}


def ask(
    *,
    act: str,
    runs: QuerySet[Run],
    reason: str,
    actor: User,
    tags: list[str] | None = None,
    takes_back: BulkJob | None = None,
    query: str = "",
    ip: str | None = None,
) -> BulkJob:
    """Store an act on the runs the query finds now; a runner begins with it within a second.

    Args:
        tags:
            For the acts ``tag`` and ``untag``.
        takes_back:
            An act on tags before this one: of each run those tags change that it changed.

    Raises:
        UsageError: There is no such act, no reason, no tag, no run, or there are too many.
    """
    reason = reason.replace("\0", "").strip()[:_LONGEST]
    _check(act, reason=reason, tags=tags)
    changed = dict(_done(takes_back).values_list("run_id", "tags")) if takes_back else {}
    with transaction.atomic():
        ids = list(runs.order_by("id").values_list("id", flat=True)[: MOST_RUNS + 1])
        if not 0 < len(ids) <= MOST_RUNS:
            raise UsageError(f"An act takes 1 to {MOST_RUNS:,} runs.", hint="Choose other filters.")
        job = BulkJob.objects.create(
            act=act,
            reason=reason,
            query=query,
            total=len(ids),
            tags=tags or None,
            actor=actor,
            actor_name=actor.get_username(),
        )
        items = [BulkItem(job=job, run_id=run_id, tags=changed.get(run_id)) for run_id in ids]
        BulkItem.objects.bulk_create(items, batch_size=1000)
        audit.record(
            actor=actor,
            action="runs.bulk",
            object_kind="bulk_job",
            object_id=job.id,
            object_name=str(job),
            ip=ip,
            after={"act": act, "runs": len(ids), "reason": reason, "filters": query} | ({"tags": tags} if tags else {}),
        )
    return job


def _check(act: str, *, reason: str, tags: list[str] | None) -> None:
    if act not in BulkJob.Act.values:
        raise UsageError("There is no such act on many runs.", hint=f"There are: {', '.join(BulkJob.Act.values)}.")
    if act in ON_TAGS and not tags:
        why = "No tag was given. Write one, or several with commas between them."
        raise UsageError(why, fields={"tags": why})
    if not reason:
        why = "An act on many runs needs a reason. Say in a few words why."
        raise UsageError(why, fields={"reason": why})


def done_by(job: BulkJob) -> QuerySet[Run]:
    """Return the runs a job changed: those it did and, of an act on tags, that did not have it so before."""
    return Run.objects.filter(pk__in=_done(job).values("run_id"))


def _done(job: BulkJob) -> QuerySet[BulkItem]:
    return BulkItem.objects.filter(job=job, state=BulkItem.State.DONE).exclude(tags=[])


def work_off(*, limit: int) -> int:
    """Carry out up to ``limit`` waiting items of the oldest open job; return how many."""
    job = BulkJob.objects.filter(ended_at__isnull=True).select_related("actor").order_by("id").first()
    if job is None:
        return 0
    waiting = BulkItem.objects.filter(job=job, state=BulkItem.State.WAITING).select_related("run").order_by("id")
    items = list(waiting[:limit])
    for item in items:
        _carry_out(job, item)
    if len(items) < limit:
        _end(job)
    return len(items)


def tally(job: BulkJob) -> dict[str, int]:
    """Return how many items of a job are in which state; every state is named."""
    found = BulkItem.objects.filter(job=job).order_by().values_list("state").annotate(n=Count("id"))
    return dict.fromkeys(BulkItem.State.values, 0) | dict(found)


def _carry_out(job: BulkJob, item: BulkItem) -> None:
    with transaction.atomic():
        # One transaction claims the item and acts: a runner that dies in between leaves both undone.
        if not _store(item, BulkItem.State.WAITING, state=BulkItem.State.DONE):
            return
        try:
            with transaction.atomic():
                came = _act(job, item)
        except DatabaseError:
            raise
        except StepwellError as exc:
            _store(item, BulkItem.State.DONE, state=BulkItem.State.REFUSED, problem=str(exc)[:_LONGEST])
        except Exception as exc:
            # Boundary: whatever is wrong with this run's pipeline must not stop the job for the others.
            log.exception("Run %s could not take part in a bulk job.", item.run.number)
            problem = f"{type(exc).__name__}: {exc}"[:_LONGEST]
            _store(item, BulkItem.State.DONE, state=BulkItem.State.REFUSED, problem=problem)
        else:
            _store(item, BulkItem.State.DONE, **came)


def _store(item: BulkItem, was: str, **changes: object) -> bool:
    return bool(BulkItem.objects.filter(pk=item.pk, state=was).update(**changes))


def _act(job: BulkJob, item: BulkItem) -> dict[str, Any]:
    """Do it to one run; return what to keep of it."""
    if job.actor is None or not job.actor.may("operator"):
        raise Denied(f"{job.actor_name or 'Somebody'} asked for this and may not do it any more.")
    match job.act:
        case BulkJob.Act.CANCEL:
            actions.cancel_run(run=item.run, by=job.actor_name)
        case BulkJob.Act.ACKNOWLEDGE:
            acknowledge(run=item.run, note=job.reason, by=job.actor)
        case BulkJob.Act.REOPEN:
            withdraw(run=item.run, by=job.actor)
        case BulkJob.Act.TAG | BulkJob.Act.UNTAG:
            return {"tags": _change_tags(job, item)}
        case _:
            key = f"bulk:{item.id}"
            made = actions.rerun(run=item.run, scope=_SCOPES[job.act], actor=job.actor, idempotency_key=key)
            return {"made": made}
    return {}


def _change_tags(job: BulkJob, item: BulkItem) -> list[str]:
    wanted, before = job.tags if item.tags is None else item.tags, set(item.run.tags)
    field = "add" if job.act == BulkJob.Act.TAG else "remove"
    notes.change_tags(TagsToChange(target=Target(run="this"), **{field: wanted}), row=item.run)
    return sorted(before ^ set(item.run.tags))


def _end(job: BulkJob) -> None:
    waiting = BulkItem.objects.filter(job=OuterRef("pk"), state=BulkItem.State.WAITING)
    with transaction.atomic():
        still_open = BulkJob.objects.filter(~Exists(waiting), pk=job.pk, ended_at__isnull=True)
        if not still_open.update(ended_at=timezone.now()) or job.actor is None:
            return
        counts = tally(job)
        refused = f", {counts['refused']:,} refused" if counts["refused"] else ""
        Notice.objects.create(
            user=job.actor,
            status="failed" if counts["refused"] else "completed",
            text=f"{job}: {counts['done']:,} done{refused}",
            path=f"/bulk/{job.id}/",
        )
