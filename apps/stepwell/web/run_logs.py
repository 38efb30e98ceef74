"""The log of one attempt: pages of lines, and the file as it is."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.engine.logfile import LogReader
from stepwell.errors import NotFound
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run, StepRun
from stepwell.web import log_view, present, run_page
from stepwell.web.access import get_run_or_404, needs, shown
from stepwell.web.request import WebRequest, render_page, stream

_CHUNK = 256 * 1024
_MAX_LINE = 10**12


@require_safe
@needs(Role.VIEWER)
def log(request: WebRequest, ref: str, invocation_id: str, number: int) -> HttpResponse:
    """Show a page of lines: the end, from line ``first``, or around line ``line``."""
    run = get_run_or_404(request, ref)
    attempt = _attempt(run, invocation_id, number)
    first = _first(request)
    window = log_view.window(run.id, attempt, first=first, count=log_view.PAGE_LINES)
    url = run_page.log_url(run, invocation_id, number)
    earlier = max(1, window.first - log_view.PAGE_LINES)
    context = {
        "head": run_page.run_head(run, request.user),
        "tab": "log",
        "step": present.step_label(invocation_id),
        "step_url": run_page.step_url(run, invocation_id, number),
        "attempt": attempt,
        "state": present.state(attempt.status),
        "log": window,
        "is_end": first is None,
        "places": _places(run, attempt),
        "raw_url": reverse("runs:log_raw", args=[run.number, invocation_id, number]),
        "first_url": f"{url}?first=1" if window.first > 1 else "",
        "earlier_url": f"{url}?first={earlier}" if window.first > 1 else "",
        "later_url": f"{url}?first={window.latest + 1}" if window.latest < window.n_lines else "",
        "end_url": url if window.latest < window.n_lines else "",
    }
    return render_page(request, "runs/log.html", context)


@require_safe
@needs(Role.VIEWER)
def raw(request: WebRequest, ref: str, invocation_id: str, number: int) -> HttpResponse:
    """Send the whole log as plain text."""
    run = get_run_or_404(request, ref)
    attempt = _attempt(run, invocation_id, number)
    path = log_path(run.id, attempt.id)
    chunks = _chunks(LogReader(path)) if path.is_file() else iter(())
    disposition = "attachment" if "download" in request.GET else "inline"
    safe = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in invocation_id)
    headers = {
        "Content-Disposition": f'{disposition}; filename="run-{run.number}-{safe[:80]}-{number}.log"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingHttpResponse(stream(request, chunks), content_type="text/plain; charset=utf-8", headers=headers)


def _chunks(reader: LogReader) -> Iterator[bytes]:
    offset = 0
    while (span := reader.span(offset, _CHUNK)).content:
        yield span.content
        offset = span.end


def _attempt(run: Run, invocation_id: str, number: int) -> Attempt:
    attempts = Attempt.objects.filter(step_run__run=run, step_run__invocation_id=invocation_id.replace("\0", ""))
    attempt = attempts.defer("error_traceback").select_related("step_run").filter(number=min(number, 2**31)).first()
    if attempt is None:
        raise NotFound(
            f"Run #{run.number} has no attempt {number} at a step “{shown(invocation_id)}”.",
            hint="Open the run: it lists its steps and their attempts.",
        )
    return attempt


def _first(request: WebRequest) -> int | None:
    """Return the first line to show; None is the end of the log."""
    if (line := _number(request, "line")) is not None:
        return max(1, line - log_view.PAGE_LINES // 2)
    first = _number(request, "first")
    return None if first is None else max(1, first)


def _number(request: WebRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return min(int(text[:16]), _MAX_LINE) if text.isascii() and text.isdigit() else None


def _places(run: Run, current: Attempt) -> list[dict[str, object]]:
    """Return the logs of the run's other steps: the newest attempt of each, and every attempt of this one."""
    steps = StepRun.objects.filter(run=run).only("id", "invocation_id", "kind", "status", "run_id", "ordinal")
    by_id = {step.id: step for step in steps}
    newest: dict[object, Attempt] = {}
    rows = Attempt.objects.filter(step_run__run=run).only("id", "number", "status", "step_run_id")
    for attempt in rows.order_by("number"):
        key = attempt.id if attempt.step_run_id == current.step_run_id else attempt.step_run_id
        newest[key] = attempt
    found = []
    for attempt in sorted(newest.values(), key=lambda one: (by_id[one.step_run_id].ordinal, one.number)):
        step = by_id[attempt.step_run_id]
        is_same = step.id == current.step_run_id
        label = present.step_label(step.invocation_id)
        found.append(
            {
                "url": run_page.log_url(run, step.invocation_id, attempt.number),
                "state": present.state(attempt.status if is_same else step.status),
                "label": f"{label}, attempt {attempt.number}" if is_same else label,
                "is_current": attempt.id == current.id,
            }
        )
    return found
