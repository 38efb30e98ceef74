"""Failures that need somebody: what settles one, how they are grouped, what is said about them."""

from __future__ import annotations

from django.db import transaction
from django.test import Client

from stepwell.core.status import RunStatus
from stepwell.execution import moves
from stepwell.runs.models import Run
from tests import factories
from tests.web.page import read


def ended(status: str, *, parent: Run | None = None, message: str = "disk full", fingerprint: str = "f1") -> Run:
    """A run that just ended as runs end."""
    run = factories.make_run(status="running", parent=parent)
    if status == "failed":
        step = factories.make_step(run, "train", status="failed", attempts=False)
        factories.make_attempt(step, status="failed", error_message=message, error_fingerprint=fingerprint)
    with transaction.atomic():
        moves.move_run(run.id, RunStatus(status), old=(RunStatus.RUNNING,))
    run.refresh_from_db()
    return run


def unresolved() -> list[int]:
    return sorted(Run.objects.filter(is_unresolved=True).values_list("number", flat=True))


def test_a_failure_is_settled_by_a_later_success_in_its_chain(db: None) -> None:
    first = ended("failed")
    other = ended("failed")
    cancelled = ended("cancelled", parent=first)
    assert unresolved() == [first.number, other.number]

    ended("completed", parent=cancelled)

    assert unresolved() == [other.number]


def test_a_rerun_that_fails_stands_for_the_failures_before_it(db: None) -> None:
    first = ended("failed")
    again = ended("failed", parent=first)

    assert unresolved() == [again.number]
    assert again.took_seconds > 0


def test_failures_are_listed_by_cause_and_acknowledged_with_a_note(as_bob: Client) -> None:
    ended("failed")
    ended("failed")
    ended("failed", message="no such file", fingerprint="f2")

    page = read(as_bob.get("/runs/unresolved/"))
    causes = page.all("section", class_="cause")
    assert [cause.one("h2").text for cause in causes] == ["ValueError: no such file", "ValueError: disk full"]
    assert "2 runs" in causes[1].text
    assert "unresolved: 3" in page.one("nav", class_="rail").text

    as_bob.post("/errors/f1/acknowledgement/", {"note": "bigger disk ordered"})

    assert [cause["data-cause"] for cause in read(as_bob.get("/runs/unresolved/")).all("section", class_="cause")] == [
        "f2"
    ]
    cause = read(as_bob.get("/errors/f1/"))
    assert "Settled" in cause.text
    assert "bigger disk ordered" in cause.text


def test_one_run_is_acknowledged_once(as_bob: Client) -> None:
    run = ended("failed")
    address = f"/runs/{run.number}/acknowledgement/"

    assert as_bob.post(address, {"note": "seen"}).status_code == 302
    assert "settled already" in read(as_bob.post(address), status=409).text
    assert unresolved() == []


def test_an_empty_list_says_what_would_stand_here(as_charlie: Client) -> None:
    assert "Nothing is unresolved" in read(as_charlie.get("/runs/unresolved/")).text
    assert as_charlie.get("/errors/nope/").status_code == 404


def test_queries_do_not_grow_with_failures(as_charlie: Client, django_assert_max_num_queries) -> None:
    for number in range(6):
        ended("failed", fingerprint=f"f{number % 3}")

    with django_assert_max_num_queries(10):
        as_charlie.get("/runs/unresolved/")
