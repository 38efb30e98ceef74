"""The list of runs: any number of them, a page at a time; as a table, and as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role, as_uuid
from stepwell.core.status import RunStatus, Trigger
from stepwell.desk.models import BulkJob
from stepwell.execution import actions
from stepwell.kit.downloads import Download
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run
from stepwell.web import present, run_charts, run_columns, run_filters, run_order, run_query, saved_views
from stepwell.web.access import needs
from stepwell.web.csv_text import safe_cell
from stepwell.web.request import WebRequest, render_page, stream
from stepwell.web.run_rows import listed, run_rows

PAGE_ROWS = 50
#: pipelines the filter offers by name; the address takes any
_MOST_CHOICES = 200
_COUNT_SECONDS = 10
#: changed rows a page may ask for at once
_MOST_ROWS = 100
_EXPORT_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Listing:
    """What an address asks the list for."""

    query: QueryDict
    filters: run_filters.Filters
    order: run_order.Order
    after: run_order.Place | None

    @property
    def runs(self) -> QuerySet[Run]:
        """Every run the filters let through, in order."""
        return self.order.apply(self.filters.apply(Run.objects.all()))

    @property
    def page(self) -> QuerySet[Run]:
        return self.order.apply(self.filters.apply(Run.objects.all()), self.after)

    def count(self) -> int:
        """How many runs the filters let through; kept for ten seconds."""
        key = f"runs:count:{hash(tuple(self.filters.values))}"
        found = cache.get(key)
        if found is None:
            found = self.filters.apply(Run.objects.all()).count()
            cache.set(key, found, _COUNT_SECONDS)
        return int(found)


def read_listing(query: QueryDict) -> Listing:
    """Return what an address asks for.

    Raises:
        UsageError: It asks for something that does not exist.
    """
    order = run_order.read_order(query.get("sort", ""))
    place = run_order.read_place(query.get("after", ""), order)
    return Listing(query, run_filters.read(query), order, place)


@require_safe
@needs(Role.VIEWER)
def run_list(request: WebRequest) -> HttpResponse:
    """List the runs an address asks for; without any wish, those of the person's default view."""
    if "jump" in request.GET and (run := actions.find_run(request.GET.get("text", ""))):
        return redirect("runs:detail", run.number)
    if "q" in request.GET:
        return redirect(f"{reverse('runs:list')}?{_spelled_out(request.GET)}")
    views = saved_views.of(request.user)
    if not request.GET and views.default is not None:
        return redirect(views.default.url)
    listing = read_listing(request.GET)
    kind = run_charts.read_kind(request.GET)
    most = run_charts.MOST_RUNS if kind else PAGE_ROWS + 1
    found = list(listed(listing.page)[:most])
    # All of them are here: counted as they stand, not as they were up to ten seconds ago.
    total = len(found) if listing.after is None and len(found) < most else max(len(found), listing.count())
    columns = run_columns.read_columns(request.GET)
    context = {
        **_rows(listing, [] if kind else found, columns, total=total),
        "chart": run_charts.chart(kind, found, n_total=total) if kind else None,
        "shows": _shows(listing.query, kind),
        **_bar(listing, columns),
        "views": views,
        "this_view": views.get(request.GET.get("view", "")),
        "can_operate": request.user.may(Role.OPERATOR),
        "acts": [(act.value, act.label) for act in BulkJob.Act if act not in {BulkJob.Act.UNTAG, BulkJob.Act.REOPEN}],
    }
    return render_page(request, "runs/list.html", context, fragments={"runs-rows"})


def _shows(query: QueryDict, kind: str) -> list[tuple[str, str, bool]]:
    """Return the ways to look at the list: word, address, whether it is this one."""
    found = []
    for name, word in run_charts.SHOWN.items():
        other = run_filters.first_page(query)
        other.setlist("show", [name] if name else [])
        found.append((word, f"?{other.urlencode()}" if any(other.lists()) else "?view=all", name == kind))
    return found


def _rows(listing: Listing, found: list[Run], columns: list[run_columns.Column], *, total: int) -> dict[str, Any]:
    next_page = listing.query.copy()
    has_more = len(found) > PAGE_ROWS
    if has_more:
        next_page["after"] = listing.order.place(found[PAGE_ROWS - 1])
    return {
        "rows": run_rows(found[:PAGE_ROWS]),
        "headings": [_heading(column, listing) for column in columns],
        "columns": {column.name for column in columns},
        "is_first_page": listing.after is None,
        "first_url": f"?{run_filters.first_page(listing.query).urlencode()}",
        "next_url": f"?{next_page.urlencode()}" if has_more else "",
        "total": total,
        "is_filtered": not listing.filters.is_empty,
        "is_newest_first": listing.order.is_default,
    }


def _heading(column: run_columns.Column, listing: Listing) -> dict[str, Any]:
    """Return a heading, the address that sorts by it, and how it is sorted now."""
    if not column.sort:
        return {"column": column}
    is_now = listing.order.name == column.sort
    # What is long, late or new is what people look for first; words go from A.
    falls_first = column.sort in {"took", "started"}
    falls = not listing.order.is_descending if is_now else falls_first
    query = run_filters.first_page(listing.query)
    query["sort"] = f"-{column.sort}" if falls else column.sort
    word = ("descending" if listing.order.is_descending else "ascending") if is_now else ""
    return {"column": column, "url": f"?{query.urlencode()}", "sorted": word}


def _bar(listing: Listing, columns: list[run_columns.Column]) -> dict[str, Any]:
    query = listing.query
    pipelines = Pipeline.objects.values_list("slug", "name")[:_MOST_CHOICES]
    menus = {
        "State": ("status", [(str(status), present.state(status).word) for status in RunStatus]),
        "Pipeline": ("pipeline", list(pipelines)),
        "Trigger": ("trigger", [(str(trigger), str(trigger)) for trigger in Trigger]),
        "Since": ("since", list(run_filters.SINCE_CHOICES)),
        "More": ("is", [("unresolved", "unresolved failures")]),
    }
    return {
        "text": run_query.write(listing.filters),
        "chips": run_filters.chips(listing.filters, query),
        "menus": [
            (title, [(word, run_filters.with_value(query, name, value)) for value, word in values])
            for title, (name, values) in menus.items()
            if values
        ],
        "column_choices": run_columns.choices(columns),
        "kept": [(name, value) for name, value in run_filters.first_page(query).lists() if name not in {"cols", "col"}],
        "query": run_filters.canonical(query),
    }


def _spelled_out(query: QueryDict) -> str:
    """Return the address a line of filters stands for; order and columns stay."""
    spelled = run_query.read(query.get("q", ""))
    for name in ("sort", "cols"):
        if value := query.get(name):
            spelled[name] = value
    return spelled.urlencode() or "view=all"


@require_safe
@needs(Role.VIEWER)
def some_rows(request: WebRequest) -> HttpResponse:
    """Show the rows with these ids as they are now, for a page that shows them already."""
    ids = [run_id for text in request.GET.getlist("id")[:_MOST_ROWS] if (run_id := as_uuid(text))]
    columns = run_columns.read_columns(request.GET)
    context = {
        "rows": run_rows(list(listed(Run.objects.filter(id__in=ids)))),
        "columns": {column.name for column in columns},
        "can_operate": request.user.may(Role.OPERATOR),
    }
    return render_page(request, "runs/some_rows.html", context)


_EXPORTED = ("number", "name", "pipeline", "state", "reason", "trigger", "by", "tags", "created", "started", "ended")


@require_safe
@needs(Role.VIEWER)
def export(request: WebRequest) -> HttpResponseBase:
    """Send every run the filters let through as CSV, in constant memory."""
    listing = read_listing(request.GET)
    chunks = stream(request, _csv_chunks(listing))
    response = Download(chunks, caller=request.user.pk, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="runs.csv"'
    return response


class _Line:
    """What the csv writer writes to: keeps the line it was just given."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def _csv_chunks(listing: Listing) -> Iterator[bytes]:
    line = _Line()
    writer = csv.writer(line)
    writer.writerow([*_EXPORTED, "seconds"])
    yield line.text.encode()
    place: run_order.Place | None = None
    while True:
        runs = list(listed(listing.order.apply(listing.filters.apply(Run.objects.all()), place))[:_EXPORT_BATCH])
        lines = []
        for run in runs:
            writer.writerow([safe_cell(value) for value in _cells(run)])
            lines.append(line.text)
        yield "".join(lines).encode()
        if len(runs) < _EXPORT_BATCH:
            return
        place = run_order.read_place(listing.order.place(runs[-1]), listing.order)


def _cells(run: Run) -> list[Any]:
    times = [at.isoformat(timespec="seconds") if at else "" for at in (run.created_at, run.started_at, run.ended_at)]
    tags = ", ".join(str(tag) for tag in run.tags)
    told = [run.number, run.name, run.pipeline.name, run.status, run.status_reason, run.trigger, run.actor_name, tags]
    return [*told, *times, round(run.took_seconds, 3) if run.is_finished else ""]


urlpatterns = [
    path("runs/", run_list, name="list"),
    path("runs/rows/", some_rows, name="rows"),
    path("runs/export.csv", export, name="export"),
]
