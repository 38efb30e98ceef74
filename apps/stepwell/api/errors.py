"""Every error of the API in one shape, without internals."""

from __future__ import annotations

import logging
import math
from typing import Any
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from stepwell.core.ids import new_id
from stepwell.core.wire import ErrorAnswer
from stepwell.errors import StepwellError
from stepwell.kit import patience
from stepwell.kit.steady import AWAY

log = logging.getLogger(__name__)

_NOT_SIGNED_IN = "Send a valid token as “Authorization: Bearer …”, or sign in."
_RETRY_SECONDS = 2


class BodyRefused(StepwellError):
    """The body of the request cannot be read."""

    code = "body"
    status = 422


class NotJson(BodyRefused):
    """The body is not JSON."""

    code = "media_type"
    status = 415


class TooLarge(BodyRefused):
    """The body is too large."""

    code = "too_large"
    status = 413


class TooManyRequests(StepwellError):
    """This caller asks too often."""

    code = "too_many"
    status = 429

    def __init__(self, *, seconds: float) -> None:
        self.retry_after = max(1, math.ceil(seconds))
        super().__init__(hint=f"Try again in {self.retry_after} s, and ask less often.")


class CsrfFailed(StepwellError):
    """The request lacks the CSRF token of the browser session."""

    code = "csrf"
    status = 403


def request_id(request: HttpRequest) -> str:
    """Return the id this request goes by in answers and logs, made on first use."""
    known: str | UUID | None = getattr(request, "request_id", None)
    if known is None:
        known = request.request_id = new_id().hex  # type: ignore[attr-defined]
    return str(known)


def error_response(
    request: HttpRequest,
    *,
    status: int,
    code: str,
    message: str,
    hint: str = "",
    fields: dict[str, str] | None = None,
) -> HttpResponse:
    answer = ErrorAnswer(code=code, message=message, hint=hint, request_id=request_id(request), fields=fields)
    response = JsonResponse(answer.model_dump(exclude_none=True), status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if status == 503:
        response["Retry-After"] = str(_RETRY_SECONDS)
    return response


def add_handlers(api: NinjaAPI) -> None:
    """Teach ``api`` to answer every exception in our shape."""
    api.add_exception_handler(StepwellError, _stepwell_error)
    api.add_exception_handler(ValidationError, _validation_error)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(Http404, _missing)
    api.add_exception_handler(RequestDataTooBig, _too_big)
    for away in AWAY:
        api.add_exception_handler(away, _database_error)
    api.add_exception_handler(Exception, unexpected)


def not_found(request: HttpRequest) -> HttpResponse:
    return error_response(
        request, status=404, code="not_found", message="The API has no such address.", hint="See /api/docs."
    )


def not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    response = error_response(
        request,
        status=405,
        code="method",
        message=f"{request.method} is not possible here.",
        hint=f"Use {allowed}.",
    )
    response["Allow"] = allowed
    return response


def not_signed_in(request: HttpRequest) -> HttpResponse:
    return error_response(
        request, status=401, code="not_signed_in", message="You are not signed in.", hint=_NOT_SIGNED_IN
    )


def unexpected(request: HttpRequest, exc: Exception) -> HttpResponse:
    log.error("An API request failed: %s %s (%s)", request.method, request.path, request_id(request), exc_info=exc)
    return error_response(
        request,
        status=500,
        code="error",
        message="Something went wrong on the server.",
        hint="Try again. The server's log has the details under the request id.",
    )


def _stepwell_error(request: HttpRequest, exc: StepwellError) -> HttpResponse:
    if exc.status >= 500 and exc.status != 503:
        return unexpected(request, exc)
    fields: dict[str, str] | None = getattr(exc, "fields", None) or exc.details.get("fields")
    response = error_response(
        request, status=exc.status, code=exc.code, message=exc.message, hint=exc.hint, fields=fields or None
    )
    if seconds := getattr(exc, "retry_after", None):
        response["Retry-After"] = str(seconds)
    return response


def _validation_error(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    fields: dict[str, str] = {}
    for error in exc.errors:
        fields.setdefault(_field_name(error["loc"]), error["msg"].removeprefix("Value error, "))
    return error_response(
        request,
        status=422,
        code="invalid",
        message="The request has values that do not fit.",
        hint="See “fields”.",
        fields=fields,
    )


def _field_name(location: tuple[Any, ...]) -> str:
    """Return the dotted name inside the request; the first two parts name the source and our own argument."""
    parts = location[2:] if location[0] in {"body", "query"} and len(location) > 2 else location[1:]
    if parts and location[0] == "body" and len(location) == 2:
        return "body"
    return ".".join(str(part) for part in parts)[:200] or str(location[0])


def _http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    if isinstance(exc, AuthenticationError):
        return not_signed_in(request)
    # ninja wraps whatever its parser raises in a plain 400.
    if isinstance(exc.__cause__, StepwellError):
        return _stepwell_error(request, exc.__cause__)
    return error_response(request, status=exc.status_code, code="request", message=exc.message)


def _missing(request: HttpRequest, exc: Http404) -> HttpResponse:
    return not_found(request)


def _too_big(request: HttpRequest, exc: RequestDataTooBig) -> HttpResponse:
    return _stepwell_error(request, TooLarge())


def _database_error(request: HttpRequest, exc: DatabaseError | InterfaceError) -> HttpResponse:
    log.error(
        "The database did not answer: %s %s (%s)", request.method, request.path, request_id(request), exc_info=exc
    )
    if patience.took_too_long(exc):
        response = error_response(request, status=503, code="too_slow", message=patience.MESSAGE, hint=patience.HINT)
        response["Retry-After"] = str(patience.RETRY_SECONDS)
        return response
    return error_response(
        request,
        status=503,
        code="unavailable",
        message="The database did not answer in time.",
        hint="Try again in a moment.",
    )
