"""Error pages, in plain words: what happened, and what to do."""

from __future__ import annotations

import sys
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from stepwell.errors import StepwellError
from stepwell.kit import patience
from stepwell.kit.steady import AWAY

_TITLES = {
    400: "This request is not right",
    403: "Not allowed",
    404: "Not found",
    409: "Not now",
    422: "This does not fit",
    500: "Something broke",
    503: "Out of reach",
}


def error_page(request: HttpRequest, error: StepwellError) -> HttpResponse:
    """Return the page of one of our errors, with its status."""
    return _page(request, error.status, error.message, hint=error.hint)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(
        request, 400, "The address or the form sent is not one Stepwell can read.", hint="Go back and try again."
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = str(exception) or "Your role does not allow this."
    return _page(request, 403, message, hint="Ask an admin of this instance for the role.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = str(exception) if isinstance(exception, StepwellError) else f"There is no page at {request.path}."
    return _page(request, 404, message, hint="It may have been deleted, or the address has a slip in it.")


def server_error(request: HttpRequest) -> HttpResponse:
    # Django calls this while it handles the exception; a database that is away is nobody's mistake.
    error = sys.exc_info()[1]
    if patience.took_too_long(error):
        page = _page(request, 503, patience.MESSAGE, hint=patience.HINT)
        page["Retry-After"] = str(patience.RETRY_SECONDS)
        return page
    if isinstance(error, AWAY):
        page = _page(request, 503, "The database does not answer now.", hint="Load the page again in a moment.")
        page["Retry-After"] = "2"
        return page
    return _page(
        request,
        500,
        "Stepwell could not answer this request. What you sent with it may not have been stored.",
        hint="Try again. If it stays, the server's log says why.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, 403, "This form is out of date.", hint="Load the page again and repeat what you did.")


def _page(request: HttpRequest, status: int, message: str, *, hint: str = "") -> HttpResponse:
    context: dict[str, Any] = {
        "status": status,
        "title": _TITLES.get(status, "Error"),
        "message": message,
        "hint": hint,
    }
    # A broken database must not break the page that says so: this template asks for nothing.
    template = "errors/bare.html" if status >= 500 else "errors/error.html"
    return render(request, template, context, status=status)
