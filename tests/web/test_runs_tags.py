"""Tags of a run, put on and taken off on its page."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from stepwell.runs.models import Run
from tests import factories
from tests.web.page import Element, read
from tests.web.run_pages import open_run


def tags_of(run: Run) -> list[str]:
    run.refresh_from_db()
    return run.tags


def send(client: Client, run: Run, *, status: int = 200, **sent: object) -> Element:
    return read(client.post(f"/runs/{run.number}/tags/", sent, follow=True), status=status)


@pytest.mark.parametrize("status", ["running", "failed"])
def test_tags_are_put_on_and_taken_off_while_a_run_runs_and_after(as_bob: Client, status: str) -> None:
    run = factories.make_run(status=status, tags=["gpu"])

    page = send(as_bob, run, tags=" v3 ,nightly, ")

    assert tags_of(run) == ["gpu", "nightly", "v3"]
    assert "Tags of run #1: nightly, v3 added." in page.one("div", id="messages").text
    send(as_bob, run, remove="gpu")
    assert tags_of(run) == ["nightly", "v3"]
    told = AuditEvent.objects.filter(action="tags.changed").order_by("id").values_list("after", "object_name")
    assert list(told) == [
        ({"added": ["nightly", "v3"], "removed": []}, str(run)),
        ({"added": [], "removed": ["gpu"]}, str(run)),
    ]


def test_each_tag_has_a_button_with_a_name(as_bob: Client, as_charlie: Client) -> None:
    run = factories.make_run(tags=['<b>"x"', "gpu"])

    form = open_run(as_bob, run).one("form", class_="tags")

    assert [button["aria-label"] for button in form.all("button")] == [
        'Take the tag <b>"x" off',
        "Take the tag gpu off",
    ]
    assert not open_run(as_charlie, run).one("section", id="run-head").has("form")
    assert as_charlie.post(f"/runs/{run.number}/tags/", {"tags": "x"}).status_code == 403
    assert as_charlie.get("/runs/tags/").status_code == 403
    send(as_bob, run, remove='<b>"x"')
    assert tags_of(run) == ["gpu"]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (" , ", "No tag was given. Write one, or several with commas between them."),
        ("ok, " + "x" * 101, f"“{'x' * 30}…” has 101 characters, and a tag 100 at most: shorten it."),
        ("a\tb", "“ab” does not do: Control characters, such as tabs and line breaks, have no place in it."),
        ("a\0", "“a” does not do: Control characters, such as tabs and line breaks, have no place in it."),
        (",".join("abcdefg"[i % 7] + str(i) for i in range(51)), "These are 51 tags, and 50 are added at once"),
    ],
)
def test_a_tag_that_does_not_do_is_told_beside_the_field(as_bob: Client, typed: str, why: str) -> None:
    run = factories.make_run(tags=["gpu"])

    page = send(as_bob, run, tags=typed, status=422)

    field = page.one("input", id="tags")
    assert (field["value"], field["aria-invalid"]) == (typed, "true")
    assert why in page.one("p", id=field["aria-describedby"]).text
    assert "open" in page.one("details", id="tag-add").attributes
    assert tags_of(run) == ["gpu"]
    assert not AuditEvent.objects.exists()


def test_a_run_has_a_hundred_tags_at_most(as_bob: Client) -> None:
    run = factories.make_run(tags=[f"t{number}" for number in range(100)])

    page = send(as_bob, run, tags="more", status=422)

    assert "would have more than 100 tags. Take some off first." in page.text


def test_a_tag_that_code_gave_is_taken_off_whatever_it_is(as_bob: Client) -> None:
    run = factories.make_run(tags=["x" * 300, "a,b"])

    send(as_bob, run, remove="x" * 300)
    send(as_bob, run, remove="a,b")

    assert tags_of(run) == []


def test_what_is_there_already_changes_nothing(as_bob: Client) -> None:
    run = factories.make_run(tags=["gpu"])

    assert "nothing to change" in send(as_bob, run, tags="gpu").text
    assert not AuditEvent.objects.exists()


def test_tags_of_other_runs_are_offered(as_bob: Client) -> None:
    for tags in (["gpu", "v3"], ["gpu", '"><b>']):
        factories.make_run(tags=tags)

    options = read(as_bob.get("/runs/tags/")).all("option")

    assert [option["value"] for option in options] == ["gpu", '"><b>', "v3"]
