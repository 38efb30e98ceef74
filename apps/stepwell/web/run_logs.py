"""The page of one attempt's log: a window of lines, what else there is to find in it, and the ways to other logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.errors import UsageError
from stepwell.runs import logsearch
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run
from stepwell.web import log_parts, log_places, log_view, present, run_log_whole, run_page
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.log_parts import get_attempt_or_404, get_number
from stepwell.web.log_query import LEVELS, SOURCES, LogFilter, log_filter
from stepwell.web.request import WebRequest, render_page


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One level or source of the form."""

    value: str
    label: str
    is_on: bool
    n_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Addresses of other windows; empty when there is nothing there."""

    first: str = ""
    earlier: str = ""
    later: str = ""
    end: str = ""


@require_safe
@needs(Role.VIEWER)
def log(request: WebRequest, ref: str, invocation_id: str, number: int) -> HttpResponse:
    """Show a page of lines: the end, from line ``first``, around line ``line``, or what a filter leaves."""
    run = get_run_or_404(request, ref)
    attempt = get_attempt_or_404(run, invocation_id, number)
    asked = log_filter(request.GET)
    outline = log_view.outline(run.id, attempt)
    url = run_page.log_url(run, invocation_id, number)
    context: dict[str, Any] = {
        "head": run_page.run_head(run, request.user),
        "tab": "log",
        "step": present.step_label(invocation_id),
        "step_url": run_page.step_url(run, invocation_id, number),
        "attempt": attempt,
        "state": present.state(attempt.status),
        "groups": log_places.steps_by_state(run, current=attempt.step_run),
        "attempts": log_places.attempts_of(run, attempt),
        "asked": asked,
        "query": asked.url_query(),
        "levels": _levels(asked, outline["levels"]),
        "sources": [Choice(value=value, label=label, is_on=asked.source == value) for value, label in SOURCES.items()],
        "outline": outline,
        "zone": timezone.get_current_timezone_name(),
        "url": url,
        "base_url": url,
        "run_logs_url": reverse("runs:whole_log", args=[run.number]),
        "is_growing": log_view.may_grow(run.id, attempt),
        "raw_url": reverse("runs:log_raw", args=[run.number, invocation_id, number]),
        "download_url": reverse("runs:log_download", args=[run.number, invocation_id, number]),
    }
    window = _filtered if asked.is_for_page else _unfiltered
    context |= window(request, run, attempt, asked, url)
    return render_page(request, "runs/log.html", context, fragments={"log-head"})


def _unfiltered(request: WebRequest, run: Run, attempt: Attempt, asked: LogFilter, url: str) -> dict[str, Any]:
    first = _first(request)
    window = log_view.window(run.id, attempt, first=first, count=log_view.PAGE_LINES)
    earlier = max(1, window.first - log_view.PAGE_LINES)
    paging = Paging(
        first=f"{url}?first=1" if window.first > 1 else "",
        earlier=f"{url}?first={earlier}" if window.first > 1 else "",
        later=f"{url}?first={window.latest + 1}" if window.latest < window.n_lines else "",
        end=url if window.latest < window.n_lines else "",
    )
    return {"log": window, "is_end": first is None, "paging": paging}


def _filtered(request: WebRequest, run: Run, attempt: Attempt, asked: LogFilter, url: str) -> dict[str, Any]:
    """Return the lines that match, a page of them; without scripts words that are searched for leave out the others."""
    try:
        found = logsearch.search(log_path(run.id, attempt.id), asked.query)
    except UsageError as error:
        return {**_unfiltered(request, run, attempt, asked, url), "bad_pattern": f"{error.message} {error.hint}"}
    last_page = max(0, len(found.numbers) - 1) // log_view.FILTERED_LINES
    page = min(last_page, get_number(request, "page") or 0)
    start = page * log_view.FILTERED_LINES
    window = log_view.chosen(run.id, attempt, found.numbers[start : start + log_view.FILTERED_LINES])
    paging = Paging(
        first=url + asked.url_query() if page else "",
        earlier=url + asked.url_query(page=page - 1) if page else "",
        later=url + asked.url_query(page=page + 1) if page < last_page else "",
        end=url + asked.url_query(page=last_page) if page < last_page else "",
    )
    return {"log": window, "is_end": False, "paging": paging, "found": found}


def _levels(asked: LogFilter, counts: dict[str, int]) -> list[Choice]:
    names = {"error": "Errors", "warning": "Warnings", "info": "Info", "debug": "Debug"}
    return [
        Choice(value=level, label=names[level], is_on=level in asked.levels, n_lines=counts[level]) for level in LEVELS
    ]


def _first(request: WebRequest) -> int | None:
    """Return the first line to show; None is the end of the log."""
    if (line := get_number(request, "line")) is not None:
        return max(1, line - log_view.PAGE_LINES // 2)
    first = get_number(request, "first")
    return None if first is None else max(1, first)


_ATTEMPT = "runs/<str:ref>/logs/<path:invocation_id>/<int:number>/"
urlpatterns = [
    path("runs/<str:ref>/logs/", run_log_whole.whole_log, name="whole_log"),
    path(_ATTEMPT, log, name="log"),
    path(f"{_ATTEMPT}raw", log_parts.raw, name="log_raw"),
    path(f"{_ATTEMPT}download", log_parts.download, name="log_download"),
    path(f"{_ATTEMPT}lines", log_parts.lines, name="log_lines"),
    path(f"{_ATTEMPT}search", log_parts.search, name="log_search"),
    path(f"{_ATTEMPT}outline", log_parts.outline, name="log_outline"),
]
