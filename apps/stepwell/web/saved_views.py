"""Saved views: the lists of runs people keep under a name, share, pin to their rail and begin with."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.cache import cache
from django.db.models import Prefetch
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from stepwell.accounts.models import Role, User
from stepwell.desk import view_actions
from stepwell.desk.models import SavedView, ViewMark
from stepwell.errors import StepwellError
from stepwell.runs.models import Run
from stepwell.web import run_filters, undo
from stepwell.web.access import needs
from stepwell.web.caller import own_path
from stepwell.web.request import WebRequest, render_page

#: views the strip above the list shows, and counts
_SHOWN = 8
_COUNTED = 6
_MOST_COUNTED = 1000
_COUNT_SECONDS = 10
#: what can be done to a view: what takes it back, and how it is told
_REVERSE = {
    "pin": "unpin",
    "unpin": "pin",
    "default": "undefault",
    "undefault": "default",
    "share": "unshare",
    "unshare": "share",
}
_TOLD = {
    "pin": "is pinned to your rail",
    "unpin": "is not pinned any more",
    "default": "is where Runs begins now",
    "undefault": "is not where Runs begins any more",
    "share": "is shared with everybody",
    "unshare": "is yours alone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewLink:
    """A view as one person sees it."""

    id: str
    name: str
    url: str
    query: str
    owner: str
    is_mine: bool
    is_shared: bool
    is_pinned: bool
    is_default: bool


@dataclass(frozen=True, slots=True)
class Views:
    """The views a person may open: their own and pinned ones first."""

    links: list[ViewLink] = field(default_factory=list)

    @property
    def default(self) -> ViewLink | None:
        return next((link for link in self.links if link.is_default), None)

    @property
    def shown(self) -> list[ViewLink]:
        return self.links[:_SHOWN]

    @property
    def pinned(self) -> list[ViewLink]:
        return [link for link in self.links if link.is_pinned]

    def get(self, view_id: str) -> ViewLink | None:
        return next((link for link in self.links if link.id == view_id), None)


def of(user: User) -> Views:
    """Return the views of a person; two queries."""
    marks = Prefetch("marks", queryset=ViewMark.objects.filter(user=user), to_attr="mine")
    links = [_link(view, user) for view in view_actions.visible_views(user).prefetch_related(marks)]
    return Views(sorted(links, key=lambda link: (not link.is_pinned, not link.is_mine, link.name.lower())))


def _link(view: SavedView, user: User) -> ViewLink:
    mark = next(iter(view.mine), None)
    query = f"{view.query}&" if view.query else ""
    return ViewLink(
        id=str(view.id),
        name=view.name,
        url=f"{reverse('runs:list')}?{query}{urlencode({'view': view.id})}",
        query=view.query,
        owner=view.owner.get_username(),
        is_mine=view.owner_id == user.pk,
        is_shared=view.is_shared,
        is_pinned=bool(mark and mark.is_pinned),
        is_default=bool(mark and mark.is_default),
    )


def count_of(link: ViewLink) -> str:
    """Return how many runs a view holds, ``999+`` from a thousand on; kept for ten seconds, empty when it is broken."""
    key = f"views:count:{link.id}:{hash(link.query)}"
    found: str | None = cache.get(key)
    if found is None:
        try:
            runs = run_filters.read(QueryDict(link.query)).apply(Run.objects.all())
            number = runs.order_by()[:_MOST_COUNTED].count()
            found = f"{number:,}" if number < _MOST_COUNTED else f"{_MOST_COUNTED - 1}+"
        except StepwellError:
            # A pipeline it names is gone: the view's own page says so.
            found = ""
        cache.set(key, found, _COUNT_SECONDS)
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.VIEWER)
def view_list(request: WebRequest) -> HttpResponse:
    """List the views a person may open; on POST keep one more."""
    if request.method == "POST":
        return _save(request)
    context = {"views": [(link, run_filters.words(link.query)) for link in of(request.user).links]}
    return render_page(request, "views/list.html", context)


def _save(request: WebRequest) -> HttpResponse:
    query = run_filters.canonical(QueryDict(request.POST.get("query", "")))
    had = {link.id: link for link in of(request.user).links}
    view = view_actions.save_view(
        user=request.user,
        name=request.POST.get("name", ""),
        query=query,
        is_shared="shared" in request.POST,
    )
    view_actions.mark_view(
        user=request.user,
        view=view,
        is_pinned="pinned" in request.POST,
        is_default=True if "default" in request.POST else None,
    )
    told, was = f"The view “{view.name}” is kept.", had.get(str(view.id))
    if "default" in request.POST:
        # Which view Runs began with before is not part of what a view is.
        messages.success(request, told)
    elif was is None:
        undo.offer(request, told, reverse("views:remove", args=[view.id]))
    else:
        fields = {"shared": "on" if was.is_shared else "", "pinned": "on" if was.is_pinned else ""}
        undo.offer(request, told, reverse("views:list"), name=was.name, query=was.query, **fields)
    link = of(request.user).get(str(view.id))
    return redirect(link.url if link else "runs:list")


@require_safe
@needs(Role.VIEWER)
def counts(request: WebRequest) -> HttpResponse:
    """Say how many runs the first few views hold; loaded after the page, so that it waits for no count."""
    views = of(request.user)
    context: dict[str, Any] = {
        "views": [(link, count_of(link) if index < _COUNTED else "") for index, link in enumerate(views.shown)],
        "here": request.GET.get("here", ""),
    }
    return render_page(request, "views/strip.html", context)


@require_POST
@needs(Role.VIEWER)
def mark(request: WebRequest, view: uuid.UUID) -> HttpResponse:
    """Pin a view or take it off the rail; begin with it or not; share one's own or not; bring it back."""
    act = request.POST.get("act", "")
    if act == "restore":
        found = view_actions.restore_view(user=request.user, view_id=view)
        messages.success(request, f"The view “{found.name}” is back.")
    elif act in _REVERSE:
        found = view_actions.find_view(user=request.user, view_id=view)
        was = of(request.user).default
        _mark(request.user, found, act)
        back, reverse_act = found, _REVERSE[act]
        if act == "default" and was and was.id != str(found.id):
            back, reverse_act = view_actions.find_view(user=request.user, view_id=was.id), "default"
        told = f"The view “{found.name}” {_TOLD[act]}."
        undo.offer(request, told, reverse("views:mark", args=[back.id]), act=reverse_act)
    return redirect(own_path(request.POST.get("next", "")) if request.POST.get("next") else reverse("views:list"))


def _mark(user: User, view: SavedView, act: str) -> None:
    match act:
        case "pin" | "unpin":
            view_actions.mark_view(user=user, view=view, is_pinned=act == "pin")
        case "default" | "undefault":
            view_actions.mark_view(user=user, view=view, is_default=act == "default")
        case "share" | "unshare":
            own = view_actions.own_view(user=user, view_id=view.id)
            SavedView.objects.filter(pk=own.pk).update(is_shared=act == "share")


@require_POST
@needs(Role.VIEWER)
def remove(request: WebRequest, view: uuid.UUID) -> HttpResponse:
    """Remove a view of one's own."""
    found = view_actions.own_view(user=request.user, view_id=view)
    view_actions.remove_view(found)
    told = f"The view “{found.name}” is removed."
    undo.offer(request, told, reverse("views:mark", args=[found.id]), act="restore")
    return redirect("views:list")


urlpatterns = [
    path("views/", view_list, name="list"),
    path("views/counts/", counts, name="counts"),
    path("views/<uuid:view>/mark/", mark, name="mark"),
    path("views/<uuid:view>/remove/", remove, name="remove"),
]
