"""Who may open which page: every view says so, and one that does not is refused.

A view is listed by its decorator: ``@public``, ``@needs(Role.VIEWER)``, ``@needs(Role.ADMIN)``. Django's admin and the
API are listed here by their namespace; the API then asks for a token or a session of its own on every operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from stepwell.accounts.models import Role
from stepwell.errors import NotFound
from stepwell.execution import actions
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

PUBLIC = "public"
#: others, TRACE above all, are refused before any view sees them
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
#: namespace -> who may enter; "own" means the code behind it checks every operation itself
NAMESPACES = {"admin": Role.ADMIN, "api": "own"}


def public(view: View) -> View:
    """Let anyone open this view, signed in or not."""
    view.access = PUBLIC  # type: ignore[attr-defined]
    return view


def needs(role: str) -> Callable[[View], View]:
    """Let people with ``role`` or a higher one open this view."""

    def mark(view: View) -> View:
        view.access = role  # type: ignore[attr-defined]
        return view

    return mark


def access_of(view: Callable[..., Any], namespaces: list[str]) -> str | None:
    """Return who may open ``view``: ``public``, ``own``, a role, or None when it is not listed."""
    if namespaces and namespaces[0] in NAMESPACES:
        return NAMESPACES[namespaces[0]]
    return getattr(view, "access", None)


class AccessMiddleware:
    """Refuse what the view's listing does not allow."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        match = request.resolver_match
        need = access_of(view, match.namespaces if match else [])
        if need in {PUBLIC, "own"}:
            return None
        if need is None:
            raise PermissionDenied(f"{request.path} is not on the access list.")
        if not request.user.is_authenticated:
            return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}")
        if not request.user.may(need):
            raise PermissionDenied(f"This page needs the role {need}.")
        return None


def get_run_or_404(request: HttpRequest, ref: str) -> Run:
    """Return the run with this number, id, or unique beginning of an id.

    Raises:
        NotFound: There is no such run, or there are several.
    """
    run = actions.find_run(ref)
    if run is None:
        raise NotFound(f"There is no single run “{shown(ref)}”.", hint="Give its number, its id, or more of its id.")
    return run


def get_pipeline_or_404(request: HttpRequest, slug: str) -> Pipeline:
    """Return the pipeline with this slug.

    Raises:
        NotFound: There is none.
    """
    pipeline = Pipeline.objects.filter(slug=slug).first() if "\0" not in slug else None
    if pipeline is None:
        raise NotFound(f"There is no pipeline “{shown(slug)}”.", hint="Register its file: stepwell register FILE.")
    return pipeline


def shown(ref: str) -> str:
    """Return what a person typed, cut and without control characters, for a message."""
    return "".join(char for char in ref[:80] if char.isprintable())
