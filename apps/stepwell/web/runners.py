"""The processes that run steps: which are well and why not, what they do now, and what waits for them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Min, Q, QuerySet
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.core.status import AttemptStatus
from stepwell.kit.models import DbNow
from stepwell.runs.models import Attempt, RunnerNode
from stepwell.web import present
from stepwell.web.access import needs
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_page import step_url

#: how long a process that stopped is still listed, and how many of those
_STOPPED_HOURS = 24
_MOST_STOPPED = 20
_MOST_RUNNING = 300
#: a queued attempt that nobody took for this long is worth a warning
_STUCK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Work:
    """One step that runs now."""

    label: str
    url: str
    took: present.Span | None
    beat: present.Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRow:
    name: str
    kind: str
    status: str
    word: str
    why: str
    slots: int
    started: present.Moment | None
    seen: present.Moment | None
    work: list[Work]


@dataclass(frozen=True, slots=True)
class Queue:
    """The attempts that wait for a runner."""

    n: int
    oldest: present.Moment | None
    is_stuck: bool


@require_safe
@needs(Role.VIEWER)
def runner_list(request: WebRequest) -> HttpResponse:
    """List the runners, and scripts that run their own pipelines."""
    rows = runner_rows()
    live = [row for row in rows if row.status != "stopped"]
    context = {
        "rows": live,
        "stopped": [row for row in rows if row.status == "stopped"],
        "queue": queue(),
        "has_runner": any(row.kind == RunnerNode.Kind.RUNNER and row.status != "lost" for row in live),
    }
    return render_page(request, "runners/list.html", context, fragments={"runners"})


def runner_rows() -> list[RunnerRow]:
    """Return every live process and those that stopped of late; two queries."""
    recent = timezone.now() - timedelta(hours=_STOPPED_HOURS)
    nodes = RunnerNode.objects.annotate(now=DbNow())
    live = list(nodes.filter(stopped_at__isnull=True).order_by("-id"))
    stopped = list(nodes.filter(stopped_at__gte=recent).order_by("-stopped_at")[:_MOST_STOPPED])
    work = _work([node.pk for node in live])
    return [_row(node, work[node.pk]) for node in [*live, *stopped]]


def lost_runners() -> QuerySet[RunnerNode]:
    """Return the runners that went silent without stopping."""
    silent = Q(seen_at__lt=DbNow() - settings.LEASE_SECONDS)
    return RunnerNode.objects.filter(silent, stopped_at__isnull=True, kind=RunnerNode.Kind.RUNNER)


def queue() -> Queue:
    """Return what waits for a runner."""
    waiting = Attempt.objects.filter(status=AttemptStatus.QUEUED, step_run__run__script_node_id__isnull=True)
    oldest = waiting.aggregate(oldest=Min("queued_at"))["oldest"]
    stuck = oldest is not None and (timezone.now() - oldest).total_seconds() > _STUCK_SECONDS
    return Queue(waiting.count(), present.moment(oldest), stuck)


def _work(node_ids: list[uuid.UUID]) -> dict[uuid.UUID, list[Work]]:
    running = Attempt.objects.filter(status=AttemptStatus.RUNNING, owner_id__in=node_ids)
    columns = ("owner_id", "started_at", "beat_at", "step_run__invocation_id")
    of_run = ("step_run__run__number", "step_run__run__pipeline__name")
    work: dict[uuid.UUID, list[Work]] = defaultdict(list)
    for attempt in running.select_related("step_run__run__pipeline").only(*columns, *of_run)[:_MOST_RUNNING]:
        step, run = attempt.step_run, attempt.step_run.run
        label = f"{present.step_label(step.invocation_id)} of {run.pipeline.name} #{run.number}"
        url = step_url(run, step.invocation_id)
        took, beat = present.span(attempt.started_at, None), present.moment(attempt.beat_at)
        work[attempt.owner_id].append(Work(label, url, took, beat))
    return work


def _row(node: Any, work: list[Work]) -> RunnerRow:
    status, word, why = _health(node, len(work))
    seen = datetime.fromtimestamp(node.seen_at, UTC) if node.seen_at else None
    return RunnerRow(
        name=f"{node.host}, process {node.pid}",
        kind=node.kind,
        status=status,
        word=word,
        why=why,
        slots=node.slots,
        started=present.moment(node.started_at),
        seen=present.moment(node.stopped_at or seen),
        work=work,
    )


def _health(node: Any, n_work: int) -> tuple[str, str, str]:
    """Return how a process does: the status that colours it, a word, and why."""
    if node.stopped_at:
        return "stopped", "Stopped", ""
    silent = node.now - node.seen_at
    if silent > settings.LEASE_SECONDS:
        return "lost", "Lost", "It went silent. Its steps are taken over; look whether its machine still runs."
    if silent > 3 * settings.SWEEP_SECONDS:
        return "warning", "Late", "It says less often that it lives than it should: its machine may be overloaded."
    if node.kind == RunnerNode.Kind.RUNNER and n_work >= node.slots:
        return "running", "Busy", "Every slot is taken; more steps wait."
    return "completed", "Well", ""


urlpatterns = [path("runners/", runner_list, name="runners")]
