"""The log of a whole run: the lines of all its steps by the time they were stored, and which steps it has."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.core.status import TERMINAL_ATTEMPT
from stepwell.engine.logfile import LogReader
from stepwell.engine.logmerge import MergedLine, MergedLogs, Place
from stepwell.engine.logsearch import LogQuery
from stepwell.runs.ansi import render_line
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run
from stepwell.web import log_places, present, run_page
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.log_query import log_filter
from stepwell.web.request import WebRequest, render_page

PAGE_LINES = 400
#: seconds after which what was found so far is shown
SEARCH_SECONDS = 3.0
_LEVELS = (("error", "Errors"), ("warning", "Warnings"), ("info", "Info"), ("debug", "Debug"))
#: steps the choice of one offers
_MAX_CHOICES = 300
#: logs a page follows while they grow
_MAX_FOLLOWED = 40
#: a time is a whole number of these parts of a second, as floats of today are: what an address says is exact, and the
#: page after a line does not begin with the line again
_TICK = 2**22
_PLACE = re.compile(r"(\d{1,17})-([0-9a-f]{32})-(\d{1,12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One line as the page shows it."""

    step: str
    url: str
    #: its time in the person's zone, in UTC, and how long ago
    title: str
    clock: str
    level: str
    html: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A log that still grows: the offset and the number of the line the page goes on from."""

    attempt_id: str
    step: str
    url: str
    after: int
    line: int


@require_safe
@needs(Role.VIEWER)
def whole_log(request: WebRequest, ref: str) -> HttpResponse:
    """Show a page of lines: the last, those from ``from`` on, or those before ``before``; ``step`` names one step.

    With words or levels, only the lines that match, from the first on.
    """
    run = get_run_or_404(request, ref)
    step = request.GET.get("step", "").replace("\0", "")
    asked = log_filter(request.GET)
    query = LogQuery(text=asked.text, is_exact=asked.is_exact, levels=asked.levels)
    attempts = _attempts(run, step)
    paths = [log_path(run.id, attempt.id) for attempt in attempts]
    logs = MergedLogs(paths, query=query, until=time.monotonic() + SEARCH_SECONDS)
    lines, is_end = _page(request, logs, attempts, is_search=bool(query))
    url = reverse("runs:whole_log", args=[run.number])
    context = {
        "head": run_page.run_head(run, request.user),
        "tab": "log",
        "groups": log_places.steps_by_state(run),
        "lines": [_shown(run, attempts[found.log], found) for found in lines],
        "url": url,
        "step": step,
        "steps": _choices(run),
        "paging": _found_paging(request, url, lines, attempts, is_end=is_end)
        if query
        else _paging(url, step, lines, logs, attempts, is_end=is_end),
        "followed": _followed(run, attempts) if is_end and not query else [],
        "asked": asked,
        "levels": [(level, word, level in asked.levels) for level, word in _LEVELS],
        "is_search": bool(query),
        "is_complete": logs.is_complete,
        "zone": timezone.get_current_timezone_name(),
    }
    return render_page(request, "runs/log_whole.html", context, fragments={"log-followed"})


def _attempts(run: Run, step: str) -> list[Attempt]:
    attempts = Attempt.objects.filter(step_run__run=run).select_related("step_run").order_by("id")
    columns = ("id", "number", "status", "log_sealed", "step_run__invocation_id", "step_run__run_id", "step_run__kind")
    rows = attempts.only(*columns)
    return list(rows.filter(step_run__invocation_id=step) if step else rows)


def _choices(run: Run) -> list[tuple[str, str]]:
    names = run.steps.order_by("ordinal").values_list("invocation_id", flat=True)[:_MAX_CHOICES]
    return [(name, present.step_label(name)) for name in names]


def _page(
    request: WebRequest, logs: MergedLogs, attempts: list[Attempt], *, is_search: bool
) -> tuple[list[MergedLine], bool]:
    """Return the lines to show, and whether nothing comes after them."""
    if place := _read_place(request.GET.get("from", ""), attempts):
        found = logs.after(place, PAGE_LINES + 1)
        return found[:PAGE_LINES], len(found) <= PAGE_LINES
    if not is_search and (place := _read_place(request.GET.get("before", ""), attempts)):
        return logs.before(place, PAGE_LINES), False
    if "first" in request.GET or is_search:
        found = logs.after(None, PAGE_LINES + 1)
        return found[:PAGE_LINES], len(found) <= PAGE_LINES
    return logs.before(None, PAGE_LINES), True


def _read_place(text: str, attempts: list[Attempt]) -> Place | None:
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    index = next((index for index, attempt in enumerate(attempts) if attempt.id == UUID(match[2])), 0)
    return Place(int(match[1]) / _TICK, index, int(match[3]))


def _write_place(place: Place, attempts: list[Attempt], *, further: int = 0) -> str:
    return f"{int(place.at * _TICK)}-{attempts[place.log].id.hex}-{place.number + further}"


def _paging(
    url: str, step: str, lines: list[MergedLine], logs: MergedLogs, attempts: list[Attempt], *, is_end: bool
) -> dict[str, str]:
    if not lines:
        return {}
    first = lines[0].place
    has_earlier = bool(logs.before(first, 1))
    paging = {}
    if has_earlier:
        paging["first"] = url + present.query(first=1, step=step)
        paging["earlier"] = url + present.query(before=_write_place(first, attempts), step=step)
    if not is_end:
        last = lines[-1].place
        paging["later"] = url + present.query(**{"from": _write_place(last, attempts, further=1)}, step=step)
        paging["end"] = url + present.query(step=step)
    return paging


def _found_paging(
    request: WebRequest, url: str, lines: list[MergedLine], attempts: list[Attempt], *, is_end: bool
) -> dict[str, str]:
    """Return the way on through the lines that match, and back to the first of them."""
    kept = request.GET.copy()
    place = kept.pop("from", None)
    paging = {"first": f"{url}?{kept.urlencode()}"} if place else {}
    if lines and not is_end:
        kept["from"] = _write_place(lines[-1].place, attempts, further=1)
        paging["later"] = f"{url}?{kept.urlencode()}"
    return paging


def _shown(run: Run, attempt: Attempt, found: MergedLine) -> RunLine:
    at = datetime.fromtimestamp(found.line.at or 0.0, UTC)
    moment = present.moment(at)
    log = run_page.log_url(run, attempt.step_run.invocation_id, attempt.number)
    return RunLine(
        step=_label(attempt),
        url=f"{log}#L{found.line.number}" if log else "",
        title=moment.title if moment else "",
        clock=f"{timezone.localtime(at):%H:%M:%S}.{at.microsecond // 1000:03d}",
        level=found.line.level,
        html=render_line(found.line.text),
    )


def _label(attempt: Attempt) -> str:
    label = present.step_label(attempt.step_run.invocation_id)
    return f"{label} ({attempt.number})" if attempt.number > 1 else label


def _followed(run: Run, attempts: list[Attempt]) -> list[Followed]:
    growing = [attempt for attempt in attempts if not attempt.log_sealed and attempt.status not in TERMINAL_ATTEMPT]
    followed = []
    for attempt in growing[-_MAX_FOLLOWED:]:
        reader = LogReader(log_path(run.id, attempt.id))
        latest = reader.lines(reader.n_lines, 1)[-1:] if reader.n_bytes else []
        followed.append(
            Followed(
                attempt_id=str(attempt.id),
                step=_label(attempt),
                url=run_page.log_url(run, attempt.step_run.invocation_id, attempt.number),
                after=latest[0].offset if latest else 0,
                line=latest[0].number if latest else 0,
            )
        )
    return followed
