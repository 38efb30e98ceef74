from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from unittest import mock

import pytest
from django.test import Client

from stepwell.accounts import audit
from stepwell.accounts.models import User


@pytest.mark.parametrize("who", ["as_bob", "as_charlie"])
def test_only_admins_read_the_audit_log(who: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(who).get("/audit/").status_code == 403


def test_rows_say_who_did_what_to_what_and_how_it_changed(as_alice: Client, bob: User) -> None:
    audit.record(
        actor=bob,
        action="role.changed",
        object_name="charlie",
        ip="203.0.113.7",
        before={"role": "viewer"},
        after={"role": "operator"},
    )

    html = as_alice.get("/audit/").content.decode()
    for part in ("bob", "role.changed", "charlie", "203.0.113.7", "<del>viewer</del>", "<ins>operator</ins>"):
        assert part in html


def test_older_rows_are_one_link_away_with_the_filter_kept(as_alice: Client, alice: User) -> None:
    for number in range(120):
        audit.record(actor=alice, action="secret.rotated", object_name=f"secret-{number:03}")
        audit.record(actor=alice, action="sign_in", object_name="noise")

    page = as_alice.get("/audit/?action=secret.rotated")
    seen = []
    while True:
        html = page.content.decode()
        seen += [number for number in range(120) if f"secret-{number:03}" in html]
        assert "noise" not in html
        if not page.context["next_query"]:
            break
        page = as_alice.get(f"/audit/?{page.context['next_query']}")
    assert sorted(seen) == list(range(120))


@pytest.mark.parametrize("query", ["before=x", "before=-1", f"before={10**30}", "actor=" + "x" * 300, "actor=%00"])
def test_nonsense_in_the_address_is_said(as_alice: Client, query: str) -> None:
    response = as_alice.get(f"/audit/?{query}")

    assert response.status_code == 422
    assert 'class="bad"' in response.content.decode()


def test_number_of_queries_does_not_grow_with_the_rows(
    as_alice: Client, alice: User, django_assert_max_num_queries: object
) -> None:
    for _ in range(50):
        audit.record(actor=alice, action="sign_in")

    with django_assert_max_num_queries(12):
        as_alice.get("/audit/")


def test_what_was_recorded_is_printed_as_text(as_alice: Client, alice: User) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    audit.record(actor=alice, action=nasty, object_name=nasty, before={nasty: nasty}, after={nasty: [nasty]})

    assert "<img src=x" not in as_alice.get("/audit/").content.decode()


def seed(alice) -> None:
    for day, name in ((1, "one"), (2, "=two()"), (3, "three")):
        with mock.patch("django.utils.timezone.now", return_value=datetime(2026, 11, day, 12, tzinfo=UTC)):
            audit.record(actor=alice, action="run.cancelled", object_name=name, ip=f"203.0.113.{day}", after={"x": day})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("on=TWO", ["=two()"]),
        ("ip=203.0.113.3", ["three"]),
        ("since=2026-11-02", ["three", "=two()"]),
        ("until=2026-11-02", ["=two()", "one"]),
        ("since=2026-11-02&until=2026-11-02&actor=alice&action=run", ["=two()"]),
        ("on=nothing", []),
    ],
)
def test_a_filter_finds_the_same_on_the_page_and_in_the_files(as_alice: Client, alice, query, found) -> None:
    seed(alice)
    page = as_alice.get(f"/audit/?{query}&action=run").content.decode()
    told = b"".join(as_alice.get(f"/audit/export.json?{query}&action=run").streaming_content)
    table = b"".join(as_alice.get(f"/audit/export.csv?{query}&action=run").streaming_content).decode()

    assert [json.loads(line)["on"] for line in told.splitlines()] == found
    assert [row["on"].lstrip("'") for row in csv.DictReader(io.StringIO(table))] == found
    assert [name for name in ("three", "=two()", "one") if f"<td>{name}</td>" in page] == found


def test_the_files_hold_everything_and_no_formula(as_alice: Client, alice) -> None:
    seed(alice)
    response = as_alice.get("/audit/export.csv?on=two")
    (row,) = csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode()))

    assert response["Content-Disposition"] == 'attachment; filename="audit.csv"'
    assert row["on"] == "'=two()"
    assert (row["who"], row["action"], row["from"], row["after"]) == (
        "alice",
        "run.cancelled",
        "203.0.113.2",
        '{"x": 2}',
    )


def test_files_are_for_admins_and_a_wrong_filter_is_said(as_alice: Client, as_bob: Client) -> None:
    assert as_bob.get("/audit/export.csv").status_code == 403
    assert as_bob.get("/audit/export.json").status_code == 403
    for query in ("since=yesterday", "ip=nowhere", "before=x"):
        assert as_alice.get(f"/audit/export.csv?{query}").status_code == 422
        assert as_alice.get(f"/audit/?{query}").status_code == 422
