"""What the log viewer asks for: lines, the lines that match, the outline, and files to keep."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.engine.logfile import LogReader
from stepwell.errors import NotFound, UsageError
from stepwell.kit.downloads import Download
from stepwell.runs import logsearch
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run
from stepwell.web import log_view
from stepwell.web.access import get_run_or_404, needs, shown
from stepwell.web.log_query import log_filter
from stepwell.web.request import WebRequest, stream

#: lines one answer has at most
MAX_LINES = 500
MAX_NUMBER = 10**12
_CHUNK = 256 * 1024


@require_safe
@needs(Role.VIEWER)
def lines(request: WebRequest, ref: str, invocation_id: str, number: int) -> HttpResponse:
    """Return lines as HTML: ``n`` from line ``from`` on, or those named by ``at``."""
    run = get_run_or_404(request, ref)
    attempt = get_attempt_or_404(run, invocation_id, number)
    reader = LogReader(log_path(run.id, attempt.id))
    if named := request.GET.get("at"):
        found = log_view.lines_at(reader, sorted({_whole(part) for part in named.split(",")[:MAX_LINES]}))
    else:
        count = min(MAX_LINES, get_number(request, "n") or MAX_LINES)
        found = reader.lines(max(1, get_number(request, "from") or 1), count)
    return HttpResponse("".join(log_view.html(found)), content_type="text/html; charset=utf-8")


@require_safe
@needs(Role.VIEWER)
def search(request: WebRequest, ref: str, invocation_id: str, number: int) -> HttpResponse:
    """Return the numbers of the lines that match, as unsigned 32 bit numbers; how many there are is in the headers.

    With ``shown=1`` what only stands out leaves no line out: levels and source alone decide.
    """
    run = get_run_or_404(request, ref)
    attempt = get_attempt_or_404(run, invocation_id, number)
    asked = log_filter(request.GET)
    query = asked.shown if request.GET.get("shown") else asked.query
    first = max(1, get_number(request, "from") or 1)
    try:
        found = logsearch.search(log_path(run.id, attempt.id), query, first=first)
    except UsageError as error:
        return JsonResponse({"error": error.message, "hint": error.hint}, status=error.status)
    if sys.byteorder == "big":
        found.numbers.byteswap()
    headers = {"Stepwell-Total": str(found.total), "Stepwell-Complete": "true" if found.is_complete else "false"}
    return HttpResponse(found.numbers.tobytes(), content_type="application/octet-stream", headers=headers)


@require_safe
@needs(Role.VIEWER)
def outline(request: WebRequest, ref: str, invocation_id: str, number: int) -> HttpResponse:
    """Return how long the log is, what folds and which levels there are."""
    run = get_run_or_404(request, ref)
    return JsonResponse(log_view.outline(run.id, get_attempt_or_404(run, invocation_id, number)))


@require_safe
@needs(Role.VIEWER)
def raw(request: WebRequest, ref: str, invocation_id: str, number: int) -> HttpResponseBase:
    """Send the log as plain text: all of it, or lines ``from`` to ``to``."""
    run = get_run_or_404(request, ref)
    attempt = get_attempt_or_404(run, invocation_id, number)
    reader = LogReader(log_path(run.id, attempt.id))
    first, last = get_number(request, "from"), get_number(request, "to")
    chunks = _chunks(reader) if first is None and last is None else _lines(reader, first or 1, last or MAX_NUMBER)
    disposition = "attachment" if "download" in request.GET else "inline"
    return _file(request, run, attempt, chunks, disposition=disposition)


@require_safe
@needs(Role.VIEWER)
def download(request: WebRequest, ref: str, invocation_id: str, number: int) -> HttpResponseBase:
    """Send the log as a file: all of it, or the lines that match."""
    run = get_run_or_404(request, ref)
    attempt = get_attempt_or_404(run, invocation_id, number)
    path = log_path(run.id, attempt.id)
    query = log_filter(request.GET).query
    if query and path.is_file():
        return _file(request, run, attempt, logsearch.matching_lines(path, query), name="lines")
    return _file(request, run, attempt, _chunks(LogReader(path)))


def get_attempt_or_404(run: Run, invocation_id: str, number: int) -> Attempt:
    """Return an attempt of a step of the run.

    Raises:
        NotFound: There is none.
    """
    attempts = Attempt.objects.filter(step_run__run=run, step_run__invocation_id=invocation_id.replace("\0", ""))
    attempt = attempts.defer("error_traceback").select_related("step_run").filter(number=min(number, 2**31)).first()
    if attempt is None:
        raise NotFound(
            f"Run #{run.number} has no attempt {number} at a step “{shown(invocation_id)}”.",
            hint="Open the run: it lists its steps and their attempts.",
        )
    return attempt


def get_number(request: WebRequest, name: str) -> int | None:
    """Return a whole number of the address, None when it is not there or none."""
    text = request.GET.get(name, "")
    return _whole(text) if text.isascii() and text.isdigit() else None


def _whole(text: str) -> int:
    return min(int(text[:16]), MAX_NUMBER) if text.isascii() and text.isdigit() else 0


def _chunks(reader: LogReader) -> Iterator[bytes]:
    offset = 0
    while (span := reader.span(offset, _CHUNK)).content:
        yield span.content
        offset = span.end


def _lines(reader: LogReader, first: int, last: int) -> Iterator[bytes]:
    while first <= last and (found := reader.lines(first, min(MAX_LINES, last - first + 1))):
        yield "".join(f"{line.text}\n" for line in found if line.number <= last).encode()
        # What was dropped shows as a line before the one asked for.
        first = max(first, found[-1].number) + 1


def _file(
    request: WebRequest,
    run: Run,
    attempt: Attempt,
    chunks: Iterator[bytes],
    *,
    disposition: str = "attachment",
    name: str = "",
) -> HttpResponseBase:
    step = attempt.step_run.invocation_id
    safe = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in step)[:80]
    filename = "-".join(part for part in (f"run-{run.number}", safe, str(attempt.number), name) if part)
    headers = {
        "Content-Disposition": f'{disposition}; filename="{filename}.log"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return Download(
        stream(request, chunks), caller=request.user.pk, content_type="text/plain; charset=utf-8", headers=headers
    )
