"""Acts on many runs: what is about to happen, and a page that follows it to the end."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from stepwell.accounts.models import Role
from stepwell.desk.models import BulkItem, BulkJob
from stepwell.errors import NotFound, UsageError
from stepwell.execution import bulk
from stepwell.runs.models import Run
from stepwell.web import present, run_filters, run_query, run_tags
from stepwell.web.access import needs
from stepwell.web.caller import address
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_rows import listed, run_rows

_SAMPLE = 8
_MOST_TICKED = 1000
_ITEMS_SHOWN = 200
_JOBS_SHOWN = 50
#: as an act keeps it
_LONGEST_QUERY = 2000
#: what each act does, in the words of the page that asks for a reason
_WORDS = {
    BulkJob.Act.RERUN: "Each is run again as a whole, with the parameters and options it had.",
    BulkJob.Act.RERUN_FAILED: "Each is run again from what failed; results that are still good are kept.",
    BulkJob.Act.CANCEL: "Steps that wait will not start; running ones get a moment to stop, then are ended.",
    BulkJob.Act.ACKNOWLEDGE: "They leave the list of unresolved failures; nothing is run.",
    BulkJob.Act.TAG: "Each gets these tags beside those it has; nothing is run.",
    BulkJob.Act.UNTAG: "These tags are taken off; nothing is run.",
    BulkJob.Act.REOPEN: "They are in the list of unresolved failures again, but for those a rerun settled meanwhile.",
}
#: what takes an act back
_REVERSE = {
    BulkJob.Act.ACKNOWLEDGE: BulkJob.Act.REOPEN,
    BulkJob.Act.TAG: BulkJob.Act.UNTAG,
    BulkJob.Act.UNTAG: BulkJob.Act.TAG,
}


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def new(request: WebRequest) -> HttpResponse:
    """Ask for the reason of an act on many runs; on POST begin with it."""
    asked = request.POST if request.method == "POST" else request.GET
    act = asked.get("act", "")
    if act not in BulkJob.Act.values:
        raise UsageError("There is no such act on many runs.", hint=f"There are: {', '.join(BulkJob.Act.values)}.")
    runs, query = _chosen(asked)
    if request.method != "POST":
        return _confirm(request, asked, runs)
    try:
        job = bulk.ask(
            act=act,
            runs=runs,
            reason=asked.get("reason", ""),
            tags=run_tags.read(asked) if act in bulk.ON_TAGS else None,
            actor=request.user,
            query=query,
            ip=address(request),
        )
    except UsageError as exc:
        if not runs.exists():
            raise
        return _confirm(request, asked, runs, refused=exc)
    return redirect("bulk:detail", job.id)


@require_POST
@needs(Role.OPERATOR)
def take_back(request: WebRequest, job: uuid.UUID) -> HttpResponse:
    """Begin the act that takes back what a job did, on the runs it changed."""
    found = _get(job)
    if found.act not in _REVERSE or not found.ended_at:
        raise UsageError(
            "This act cannot be taken back.", hint="Acts on tags can, and acknowledgements, once they ended."
        )
    reverse_job = bulk.ask(
        act=_REVERSE[BulkJob.Act(found.act)],
        runs=bulk.done_by(found),
        reason=f"Undo: {found.reason}",
        tags=found.tags,
        takes_back=found,
        actor=request.user,
        ip=address(request),
    )
    return redirect("bulk:detail", reverse_job.id)


def _chosen(asked: QueryDict) -> tuple[QuerySet[Run], str]:
    """Return the runs a form chose, and the filters they were chosen by when it is all of them."""
    if asked.get("all"):
        query = run_filters.canonical(QueryDict(asked.get("query", "")))
        if len(query) > _LONGEST_QUERY:
            # Of a query that was cut other runs would be chosen.
            raise UsageError("There are too many filters to act on all runs they show.", hint="Take some away.")
        return run_filters.read(QueryDict(query)).apply(Run.objects.all()), query
    ticked = asked.getlist("run")[:_MOST_TICKED]
    numbers = [int(text) for text in ticked if text.isascii() and text.isdigit() and len(text) < 16]
    return Run.objects.filter(number__in=numbers), ""


def _confirm(
    request: WebRequest, asked: QueryDict, runs: QuerySet[Run], *, refused: UsageError | None = None
) -> HttpResponse:
    total = runs.count()
    if not total:
        raise UsageError("No run was chosen.", hint="Go back and tick some.")
    act = BulkJob.Act(asked["act"])
    query = asked.get("query", "") if asked.get("all") else ""
    context: dict[str, Any] = {
        "act": act,
        "words": _WORDS[act],
        "total": total,
        "most": bulk.MOST_RUNS,
        "filters": run_query.write(run_filters.read(QueryDict(query))) if query else "",
        "rows": run_rows(list(listed(runs.order_by("-id"))[:_SAMPLE])),
        "n_more": max(0, total - _SAMPLE),
        "sent": _sent(asked),
        "wants_tags": act in bulk.ON_TAGS,
        "tags": asked.get("tags", ""),
        "reason": asked.get("reason", ""),
        "errors": (refused.details.get("fields") or {"form": refused.message}) if refused else {},
    }
    return render_page(request, "bulk/new.html", context, status=refused.status if refused else 200)


def _sent(asked: QueryDict) -> list[tuple[str, str]]:
    """Return the fields that choose the same runs again."""
    if asked.get("all"):
        return [("all", "1"), ("query", asked.get("query", ""))]
    return [("run", run) for run in asked.getlist("run")[:_MOST_TICKED]]


@require_safe
@needs(Role.VIEWER)
def job_list(request: WebRequest) -> HttpResponse:
    """List the newest acts on many runs."""
    jobs = list(BulkJob.objects.all()[:_JOBS_SHOWN])
    return render_page(request, "bulk/list.html", {"jobs": [(job, present.moment(job.created_at)) for job in jobs]})


@require_safe
@needs(Role.VIEWER)
def detail(request: WebRequest, job: uuid.UUID) -> HttpResponse:
    """Follow an act on many runs: how many are done, which were refused and why."""
    found = _get(job)
    counts = bulk.tally(found)
    items = BulkItem.objects.filter(job=found).select_related("run__pipeline", "made")
    context: dict[str, Any] = {
        "job": found,
        "counts": counts,
        "segments": _segments(counts, found.total),
        "created": present.moment(found.created_at),
        "took": present.span(found.created_at, found.ended_at),
        "can_undo": found.act in _REVERSE and found.ended_at and counts["done"] and request.user.may(Role.OPERATOR),
        "refused": list(items.filter(state=BulkItem.State.REFUSED).order_by("id")[:_ITEMS_SHOWN]),
        "done": list(items.filter(state=BulkItem.State.DONE).order_by("-id")[:_ITEMS_SHOWN]),
    }
    return render_page(request, "bulk/detail.html", context, fragments={"bulk-job"})


def _get(job: uuid.UUID) -> BulkJob:
    found = BulkJob.objects.filter(id=job).first()
    if found is None:
        raise NotFound("There is no such act on many runs.")
    return found


def _segments(counts: dict[str, int], total: int) -> list[dict[str, str]]:
    looks = (("done", "completed"), ("refused", "failed"), ("waiting", "pending"))
    x, parts = 0.0, []
    for state, status in looks:
        width = 100 * counts[state] / max(1, total)
        parts.append({"status": status, "x": f"{x:.2f}%", "width": f"{width:.2f}%"})
        x += width
    return [part for part in parts if part["width"] != "0.00%"]


urlpatterns = [
    path("bulk/", job_list, name="list"),
    path("bulk/new/", new, name="new"),
    path("bulk/<uuid:job>/", detail, name="detail"),
    path("bulk/<uuid:job>/undo/", take_back, name="undo"),
]
