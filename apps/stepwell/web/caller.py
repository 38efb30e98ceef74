"""Who calls, and where a sign-in may lead."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def address(request: HttpRequest) -> str | None:
    """Return the caller's address, for the audit log and the sign-in throttle.

    It is the peer's own: a forwarding header is only believed where the server puts it into ``REMOTE_ADDR``.
    """
    return request.META.get("REMOTE_ADDR") or None


def own_path(text: str) -> str:
    """Return ``text`` when it is a path of this instance, else ``/``."""
    safe = text.startswith("/") and url_has_allowed_host_and_scheme(text, allowed_hosts=None)
    return text if safe else "/"
