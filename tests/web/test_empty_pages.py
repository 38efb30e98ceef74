"""What a page says where there is nothing to show: why, and what to do next."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import User
from tests import factories
from tests.e2e.dashboard import scene
from tests.web.page import Element, read

#: who looks is there, and the place for artifacts; a field to type into is the next step itself
NEVER_EMPTY = {"empty-people", "empty-me", "empty-stack", "empty-find"}


def is_helpful(place: Element) -> bool:
    """Return whether it says why there is nothing, and names the next step: a link, a command or a button."""
    says_why = place.all("h2") or len(place.all("p")) > 1
    return bool(says_why and place.all("p") and (place.all("a") or place.all("code") or place.all("button")))


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_every_list_of_an_empty_instance_says_why_and_what_next(client: Client, role: str) -> None:
    client.force_login(User.objects.create(username="ana", role=role))
    silent = []
    for name, address in scene.empty_pages().items():
        response = client.get(address)
        if response.status_code == 403:
            continue
        page = read(response).one("main")
        places = [place for kind in ("empty", "first", "note") for place in page.all(class_=kind)]
        if name not in NEVER_EMPTY and not any(is_helpful(place) for place in places):
            silent.append(name)
    assert silent == []


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["queued", "running", "failed", "cancelled"])
def test_every_page_of_a_run_without_steps_says_why_it_is_empty(as_charlie: Client, status: str) -> None:
    run = factories.make_run(status=status)
    why = "ended before it had steps" if run.is_finished else "waits for a runner" if status == "queued" else "is about"
    for page in ("", "graph/", "timeline/"):
        assert why in read(as_charlie.get(f"/runs/{run.number}/{page}")).one("main").text, page


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/runs/?tag=none", "Show all runs"),
        ("/artifacts/?text=none", "All artifacts"),
        ("/models/?text=none", "All models"),
    ],
)
@pytest.mark.django_db
def test_a_filter_that_finds_nothing_leads_out(as_charlie: Client, address: str, words: str) -> None:
    assert words in [link.text for link in read(as_charlie.get(address)).one("main").one(class_="empty").all("a")]


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "status"), [("/runs/77/", 404), ("/settings/", 403), ("/nowhere/", 404)])
def test_an_error_page_says_why_and_what_next(as_charlie: Client, address: str, status: int) -> None:
    page = read(as_charlie.get(address), status=status).one("main")

    assert len(page.one(class_="note").all("p")) == 2
    assert {"Home", "Runs", "Find"} == {link.text for link in page.all("a", class_="btn")}


def test_a_broken_server_and_a_database_away_say_what_next() -> None:
    for text in scene.broken_pages().values():
        assert "Try again" in text
        assert text.count("<p") == 3
