"""The frame of every page: who sees what in it, what the policy allows, and how errors look."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings
from stepwell.web import assets, errors
from tests import factories
from tests.web.page import read

HOSTILE = "<img src=x onerror=alert(1)>"


def rail(client: Client) -> list[str]:
    return [link.text for link in read(client.get("/")).one("nav", class_="rail").all("a", class_="rail__admin")]


def test_admin_pages_are_in_the_rail_of_an_admin_only(as_alice: Client, as_bob: Client, as_charlie: Client) -> None:
    assert rail(as_alice) == ["Secrets", "Stack", "Alerts", "Settings", "People", "Tokens", "Audit", "System"]
    assert rail(as_bob) == rail(as_charlie) == []


def test_every_link_of_the_rail_opens(as_alice: Client) -> None:
    links = read(as_alice.get("/")).one("nav", class_="rail").all("a")

    assert {as_alice.get(link["href"]).status_code for link in links} == {200}


def test_the_rail_says_where_one_is_and_how_many_runs_run(as_charlie: Client) -> None:
    factories.make_run(status="running")
    factories.make_run(status="completed")

    page = read(as_charlie.get("/runs/"))

    here = [link for link in page.one("nav", class_="rail").all("a") if "aria-current" in link.attributes]
    assert [link.text for link in here] == ["Runs running: 1"]


def test_signing_in_leads_back_to_the_page_asked_for(client: Client, db: None) -> None:
    response = client.get("/runs/?status=failed")

    assert response.status_code == 302
    assert response["Location"] == "/login/?next=%2Fruns%2F%3Fstatus%3Dfailed"


def test_pages_of_signed_in_people_are_not_kept(as_charlie: Client) -> None:
    assert as_charlie.get("/")["Cache-Control"] == "no-store"


def test_the_policy_has_no_inline_escape_and_the_page_needs_none(as_alice: Client) -> None:
    run = factories.make_run(status="failed", steps={"load": "completed", "train": "failed"})
    for path in ("/", "/runs/", f"/runs/{run.number}/", f"/runs/{run.number}/rerun/", "/pipelines/"):
        response = as_alice.get(path)
        page = read(response)

        assert "unsafe" not in response["Content-Security-Policy"]
        assert not page.all("style")
        assert not [element for element in page.all() if "style" in element.attributes]
        assert not [name for element in page.all() for name in element.attributes if name.startswith("on")]
        # A block of JSON is data that no browser runs: what a log's viewer begins with.
        code = [script for script in page.all("script") if script.attributes.get("type") != "application/json"]
        assert all(script.attributes.get("src") for script in code)


def test_htmx_may_not_evaluate_or_keep_history(as_charlie: Client) -> None:
    config = read(as_charlie.get("/")).one("meta", name="htmx-config")["content"]

    for rule in ('"allowEval":false', '"historyCacheSize":0', '"selfRequestsOnly":true'):
        assert rule in config


def test_every_style_sheet_is_linked_and_exists(as_charlie: Client) -> None:
    links = [link["href"] for link in read(as_charlie.get("/")).all("link", rel="stylesheet")]

    assert links == [f"/static/{path}" for path in assets.stylesheet_paths()]
    assert {as_charlie.get(link).status_code for link in links} == {200}


def test_every_icon_used_is_in_the_sprite(as_alice: Client) -> None:
    sprite = b"".join(as_alice.get("/static/icons/sprite.svg").streaming_content).decode()
    statuses = ["completed", "failed", "running", "queued", "paused", "cancelling", "cancelled"]
    for status in statuses:
        factories.make_run(status=status, steps={"a": "cached", "b": "skipped", "c": "retrying", "d": "pending"})
    pages = [read(as_alice.get(path)) for path in ("/runs/", *(f"/runs/{number}/" for number in range(1, 8)))]
    used = {use["href"].partition("#")[2] for page in pages for use in page.all("use")}

    assert used >= {*statuses, "cached", "skipped", "retrying", "pending"}
    assert not [name for name in used if f'id="{name}"' not in sprite]


def test_a_person_chooses_the_theme(as_charlie: Client, charlie) -> None:
    assert read(as_charlie.get("/")).one("html")["data-theme"] == ""

    charlie.theme = "dark"
    charlie.save()

    assert read(as_charlie.get("/")).one("html")["data-theme"] == "dark"


def test_times_are_in_the_persons_zone_else_the_instances(as_charlie: Client, charlie) -> None:
    at = timezone.datetime(2026, 7, 1, 12, 0, tzinfo=timezone.get_default_timezone())
    run = factories.make_run(status="completed", started=at, seconds=5)
    instance = InstanceSettings.load()
    instance.time_zone = "America/New_York"
    instance.save()

    assert "2026-07-01 08:00:00 EDT" in read(as_charlie.get(f"/runs/{run.number}/")).text

    charlie.time_zone = "Asia/Kolkata"
    charlie.save()

    assert "2026-07-01 17:30:00 IST" in read(as_charlie.get(f"/runs/{run.number}/")).text


def test_the_zone_of_one_request_does_not_leak_into_the_next(as_charlie: Client, charlie, client: Client) -> None:
    charlie.time_zone = "Asia/Kolkata"
    charlie.save()
    as_charlie.get("/")

    assert timezone.get_current_timezone_name() == "UTC"


def test_the_name_of_the_instance_is_shown_as_text(as_charlie: Client) -> None:
    instance = InstanceSettings.load()
    instance.instance_name = HOSTILE
    instance.save()

    page = read(as_charlie.get("/"))

    assert page.one("a", class_="brand").text == HOSTILE
    assert not page.all("img")


def test_a_page_that_is_not_there_says_so_in_the_frame(as_charlie: Client) -> None:
    page = read(as_charlie.get("/nowhere/<b>"), status=404)

    assert page.one("h1").text == "Not found"
    assert "There is no page at /nowhere/<b>." in page.text
    assert page.has("nav", class_="rail")


def test_somebody_unknown_sees_errors_without_the_frame(client: Client, db: None) -> None:
    page = read(client.get("/nowhere/"), status=404)

    assert page.one("h1").text == "Not found"
    assert not page.has("nav", class_="rail")


def test_a_refusal_names_the_role_that_is_needed(as_charlie: Client) -> None:
    run = factories.make_run()

    page = read(as_charlie.get(f"/runs/{run.number}/rerun/"), status=403)

    assert "This page needs the role operator." in page.text


def test_a_form_without_its_token_is_refused_in_plain_words(bob) -> None:
    run = factories.make_run(status="running")
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)

    page = read(client.post(f"/runs/{run.number}/cancellation/"), status=403)

    assert "This form is out of date." in page.text
    run.refresh_from_db()
    assert run.status == "running"


def test_the_page_of_a_broken_server_asks_the_database_for_nothing() -> None:
    """This test may not reach the database, so the page must not."""
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    page = read(errors.server_error(request), status=500)

    assert page.one("h1").text == "Something broke"


@pytest.mark.django_db
def test_a_request_that_cannot_be_read_says_so() -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    assert "not one Stepwell can read" in read(errors.bad_request(request, BadRequest("x")), status=400).text


def test_colours_of_states_have_names_in_the_style_sheet_only(as_alice: Client) -> None:
    factories.make_run(status="failed", steps={"a": "failed"})

    classes = {element.attributes.get("class") or "" for element in read(as_alice.get("/runs/")).all()}

    assert not re.search(r"\b(red|green|blue|amber|orange)\b", " ".join(classes))


def test_a_folded_rail_is_folded_by_the_server(as_charlie: Client) -> None:
    assert 'data-rail="folded"' not in as_charlie.get("/").content.decode()
    as_charlie.cookies["stepwell-rail"] = "folded"
    assert 'data-rail="folded"' in as_charlie.get("/").content.decode()
    as_charlie.cookies["stepwell-rail"] = "something"
    assert "data-rail" not in as_charlie.get("/").content.decode().partition("<body")[0]
