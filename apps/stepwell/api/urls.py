"""Addresses below /api/: version 1 of the API, and its documentation page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja.openapi.docs import Swagger

from stepwell.accounts.models import Role
from stepwell.api.app import api
from stepwell.api.auth import find_caller
from stepwell.api.errors import not_allowed, not_found, not_signed_in, request_id, unexpected

View = Callable[..., HttpResponse]

_docs = Swagger(settings={"persistAuthorization": False, "validatorUrl": None, "displayRequestDuration": True})


def answered(view: View) -> View:
    """Give every answer of ``view`` the API's headers, and its error shape where ninja has none of its own."""

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except Exception as exc:
            # The door of the API: what no handler knows becomes an answer without internals.
            response = unexpected(request, exc)
        if response.status_code == 405 and response.get("Content-Type") != "application/json":
            allowed = ", ".join(sorted(response["Allow"].split(", ")))
            response = not_allowed(request, allowed) if find_caller(request) else not_signed_in(request)
        response["Cache-Control"] = "no-store"
        response["Stepwell-Request-Id"] = request_id(request)
        return response

    return csrf_exempt(run)


def signed_in(view: View) -> View:
    """Let only signed-in callers through: what is not there looks to others as what is."""

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs) if find_caller(request) else not_signed_in(request)

    return run


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the documentation page; all it loads comes from this server."""
    return _docs.render_page(request, api)


# The access list reads this mark; the frame of the pages cannot be imported from here.
docs.access = Role.VIEWER  # type: ignore[attr-defined]


@answered
@signed_in
def missing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    return not_found(request)


def _patterns() -> list[URLPattern]:
    patterns, _, _ = api.urls
    for pattern in patterns:
        view = require_safe(signed_in(pattern.callback)) if pattern.name == "openapi-json" else pattern.callback
        pattern.callback = answered(view) if pattern.name != "api-root" else missing
    return [*patterns, re_path(r"^(?P<rest>.*)$", missing, name="missing")]


urlpatterns = [
    path("docs", docs, name="api-docs"),
    path("v1/", include((_patterns(), "ninja"), namespace="api")),
]
