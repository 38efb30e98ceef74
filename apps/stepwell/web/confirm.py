"""The page that asks before something is done that cannot be taken back."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def ask(
    request: HttpRequest, question: str, *, will_happen: str, button: str, crumbs: list[tuple[str, str]]
) -> HttpResponse:
    """Ask; the button sends the form to the page's own address.

    Args:
        crumbs:
            The pages above, each a name and an address; the last is where who thinks better of it goes back to.
    """
    context = {
        "question": question,
        "will_happen": will_happen,
        "button": button,
        "crumbs": crumbs,
        "back": crumbs[-1][1],
    }
    return render(request, "confirm.html", context)
