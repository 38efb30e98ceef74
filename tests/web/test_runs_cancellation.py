"""Cancelling a run from its page."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from tests import factories
from tests.web.page import read


def test_a_running_run_is_asked_to_stop_and_the_page_says_what_happens(as_bob: Client) -> None:
    run = factories.make_run(status="running", steps={"load": "running", "train": "pending"})

    response = as_bob.post(f"/runs/{run.number}/cancellation/", follow=True)

    run.refresh_from_db()
    assert (run.status, run.cancel_requested_by) == ("cancelling", "bob")
    assert run.steps.get(invocation_id="train").status == "cancelled"
    page = read(response)
    assert response.redirect_chain == [(f"/runs/{run.number}/", 302)]
    assert "Cancelling. Steps that wait will not start; running ones get a moment to stop" in page.text
    assert "bob asked to cancel it." in page.text
    assert AuditEvent.objects.get(action="run.cancelled").actor_name == "bob"


def test_a_run_that_had_not_begun_is_cancelled_at_once(as_bob: Client) -> None:
    run = factories.make_run(status="queued", steps={"load": "pending"})

    page = read(as_bob.post(f"/runs/{run.number}/cancellation/", follow=True))

    run.refresh_from_db()
    assert run.status == "cancelled"
    assert f"Run #{run.number} is cancelled; no step was running." in page.text


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_run_that_ended_stays_as_it_is(as_bob: Client, status: str) -> None:
    run = factories.make_run(status=status)

    page = read(as_bob.post(f"/runs/{run.number}/cancellation/", follow=True))

    run.refresh_from_db()
    assert run.status == status
    assert f"Run #{run.number} is already {status}." in page.text
    assert not AuditEvent.objects.filter(action="run.cancelled").exists()


def test_viewers_and_strangers_may_not_cancel(as_charlie: Client, client: Client) -> None:
    run = factories.make_run(status="running")

    assert as_charlie.post(f"/runs/{run.number}/cancellation/").status_code == 403
    assert client.post(f"/runs/{run.number}/cancellation/")["Location"].startswith("/login/")
    run.refresh_from_db()
    assert run.status == "running"


def test_the_button_leads_to_a_page_that_says_what_will_happen_first(as_bob: Client) -> None:
    run = factories.make_run(status="running")
    address = f"/runs/{run.number}/cancellation/"
    head = read(as_bob.get(f"/runs/{run.number}/")).one("section", id="run-head")

    page = read(as_bob.get(head.one("a", class_="btn--danger")["href"]))

    run.refresh_from_db()
    assert run.status == "running"
    form = page.one("main").one("form", method="post")
    assert form.one("h1").text == f"Cancel {run}?"
    assert "running ones get a moment to stop, then are ended. This cannot be taken back" in form.text
    assert form.one("a")["href"] == f"/runs/{run.number}/"
    factories.Run.objects.update(status="completed")
    assert as_bob.get(address)["Location"] == f"/runs/{run.number}/"
