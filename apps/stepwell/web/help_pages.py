"""Help inside the program: which keys do what."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.web.access import needs
from stepwell.web.request import WebRequest, render_page

#: the keys, what they do, and what a page must hold for them to do it (a CSS selector; empty: any page)
KEYS = (
    (("Ctrl", "K"), "Search, jump, or do what this page offers", ""),
    (("?",), "Show the keys of this page", ""),
    (("/",), "Go to the filter, or to the search", ""),
    (("j",), "Next row", "main tr td a"),
    (("k",), "Previous row", "main tr td a"),
    (("Enter",), "Open the row", "main tr td a"),
    (("x",), "Choose the row", ".tick"),
    (("f",), "Next failure", "main tr[data-status=failed]"),
    (("r",), "Rerun this run", '.run-head a[href*="/rerun/"]'),
    (("l",), "Open the log", 'nav.tabs a[href*="/logs/"]'),
    (("w",), "Wrap the lines of the log", "[data-part=wrap]"),
    (("g", "h"), "Home", ""),
    (("g", "r"), "Runs", ""),
    (("g", "u"), "Unresolved", ""),
    (("g", "p"), "Pipelines", ""),
    (("g", "s"), "Schedules", ""),
    (("g", "a"), "Artifacts", ""),
    (("g", "m"), "Models", ""),
    (("g", "w"), "Runners", ""),
    (("g", "i"), "Inbox", ""),
)


@require_safe
@needs(Role.VIEWER)
def keys(request: WebRequest) -> HttpResponse:
    """List the keys; to htmx the list alone."""
    return render_page(request, "help/keys.html", {"keys": KEYS}, fragments={"keys"})


urlpatterns = [path("help/keys/", keys, name="keys")]
