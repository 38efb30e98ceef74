"""What every page request gets: the person's time zone, private caching, and our errors as pages."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from stepwell.errors import StepwellError
from stepwell.web import errors
from stepwell.web.context import instance_settings

#: none of our pages, and nothing framed in one, asks for any of these
_PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"
#: whoever asks for it, in a browser too, is not to wait for the database
_PROBE = "/healthz"


class PermissionsPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Permissions-Policy"] = _PERMISSIONS
        return response


class RequestMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == _PROBE:
            response = self.get_response(request)
            response.setdefault("Cache-Control", "no-store")
            return response
        signed_in = request.user.is_authenticated
        with timezone.override(_zone(request) if signed_in else None):
            response = self.get_response(request)
        if signed_in and "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, StepwellError):
            return errors.error_page(request, exception)
        return None


def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo | None:
    """Return the zone of this session, else of the person, else of the instance; None (UTC) when none is named."""
    name = request.session.get("zone") or request.user.time_zone or instance_settings(request).time_zone
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
