"""The request as our views see it, and how they answer: a whole page, or one of its fragments to htmx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from stepwell.accounts import audit
from stepwell.accounts.models import User
from stepwell.runs.models import Run
from stepwell.web.caller import address


class WebRequest(HttpRequest):
    """What every view below ``@needs`` gets."""

    user: User  # type: ignore[assignment]
    htmx: HtmxDetails


def render_page(
    request: WebRequest, template: str, context: dict[str, Any], *, fragments: Collection[str] = (), status: int = 200
) -> HttpResponse:
    """Render a page, or the fragment htmx asked for when it is one of ``fragments``.

    A fragment is a ``partialdef`` of the page's template; its name is the id of the element it fills.
    """
    wants = request.htmx.target if request.htmx and not request.htmx.boosted else None
    name = f"{template}#{wants}" if wants in fragments else template
    response = render(request, name, context, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def stream(request: HttpRequest, chunks: Iterator[bytes]) -> Iterator[bytes] | AsyncIterator[bytes]:
    """Return ``chunks`` in the form this server sends piece by piece, instead of collecting them first."""
    return _in_threads(chunks) if isinstance(request, ASGIRequest) else chunks


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


def record_run_act(request: WebRequest, action: str, run: Run, **after: Any) -> None:
    """Write what a person did to a run into the audit log."""
    audit.record(
        actor=request.user,
        action=action,
        object_kind="run",
        object_id=str(run.id),
        object_name=str(run),
        ip=address(request),
        after=after or None,
    )
