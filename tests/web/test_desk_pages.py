"""Inbox, runners, artifacts, finding anything, keys, zones: pages around runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.test import Client
from django.utils import timezone

from stepwell.artifacts.models import StepArtifact
from stepwell.core.status import RunStatus
from stepwell.desk.models import Notice
from stepwell.execution import moves, nodes
from stepwell.runs.models import RunnerNode
from tests import factories
from tests.web.page import read


def test_a_person_is_told_when_the_run_they_wait_for_ends(as_charlie: Client, as_bob: Client) -> None:
    run = factories.make_run(status="running")
    as_charlie.post(f"/runs/{run.number}/watch/")

    with transaction.atomic():
        moves.move_run(run.id, RunStatus.COMPLETED, old=(RunStatus.RUNNING,))

    notice = Notice.objects.get()
    assert (notice.user.username, notice.text) == ("charlie", f"{run} completed")
    assert "unread: 1" in read(as_charlie.get("/runs/")).text
    assert notice.text in read(as_charlie.get("/inbox/")).text
    assert "Nothing is here yet" in read(as_bob.get("/inbox/")).text
    as_charlie.post("/inbox/read/")
    assert "unread: 0" in read(as_charlie.get("/runs/")).text
    assert as_charlie.post(f"/runs/{run.number}/watch/").status_code == 409


def test_runners_say_how_they_do_and_what_waits(as_charlie: Client) -> None:
    assert "No runner is there." in read(as_charlie.get("/runners/")).text
    node = nodes.register(RunnerNode.Kind.RUNNER, slots=1)
    run = factories.make_run(status="running", steps={"train": "running", "wait": "queued"})
    run.steps.get(name="train").attempts.update(owner_id=node.id)
    waiting = factories.make_attempt(run.steps.get(name="wait"), status="queued")
    type(waiting).objects.filter(id=waiting.id).update(queued_at=timezone.now() - timedelta(minutes=5))

    page = read(as_charlie.get("/runners/"))

    assert "Busy" in page.text
    assert "train of" in page.text
    assert "1 step wait" in page.text
    RunnerNode.objects.update(seen_at=1)
    assert "It went silent" in read(as_charlie.get("/runners/")).text
    assert "1 lost runner" in read(as_charlie.get("/")).text


def test_an_artifact_tells_where_it_came_from_and_went(as_charlie: Client) -> None:
    run = factories.make_run(pipeline=factories.make_pipeline("train"))
    load, train = factories.make_step(run, "load"), factories.make_step(run, "train")
    rows, model = factories.make_artifact(load), factories.make_artifact(train)
    direction = StepArtifact.Direction.INPUT
    StepArtifact.objects.create(step_run=train, artifact_version=rows, direction=direction, name="rows")

    listed = read(as_charlie.get("/artifacts/?text=load"))
    page = read(as_charlie.get(f"/artifacts/{rows.id}/"))
    made = read(as_charlie.get(f"/artifacts/{model.id}/"))

    assert [link.text for link in listed.all("a", class_="table__link")] == ["train::load::output"]
    assert "train of train #1" in page.one("section", class_="lineage").text
    assert page.one("section", class_="lineage").has("a", href=f"/artifacts/{model.id}/")
    assert made.one("section", class_="lineage").has("a", href=f"/artifacts/{rows.id}/")
    assert as_charlie.get("/artifacts/01890000-0000-7000-8000-000000000000/").status_code == 404


def test_anything_is_found_by_a_few_letters(as_charlie: Client) -> None:
    run = factories.make_run(pipeline=factories.make_pipeline("train-model"))

    found = read(as_charlie.get("/find/?q=trai", headers={"HX-Request": "true", "HX-Target": "found"}))

    assert [link["href"] for link in found.all("a")][:2] == ["/pipelines/train-model/", f"/runs/{run.number}/"]
    assert as_charlie.get(f"/find/?go=1&q={str(run.id)[:13]}")["Location"] == f"/runs/{run.number}/"
    assert "Nothing has" in read(as_charlie.get("/find/?go=1&q=zzz")).text


def test_keys_are_listed_and_can_be_switched_off(as_charlie: Client) -> None:
    assert read(as_charlie.get("/")).one("body")["data-keys"] == "on"
    assert "Next failure" in read(as_charlie.get("/help/keys/")).text

    as_charlie.post("/me/", {"time_zone": "", "theme": "", "palette": "safe"})

    page = read(as_charlie.get("/"))
    assert page.one("body")["data-keys"] == "off"
    assert page.one("html")["data-palette"] == "safe"


def test_a_browser_keeps_how_high_rows_are(as_charlie: Client) -> None:
    assert "data-density" not in read(as_charlie.get("/")).one("html").attributes

    as_charlie.post("/me/", {"time_zone": "", "theme": "", "palette": "", "density": "compact"})

    assert read(as_charlie.get("/")).one("html")["data-density"] == "compact"
    page = read(as_charlie.get("/me/"))
    chosen = [
        option.text for option in page.one("select", name="density").all("option") if "selected" in option.attributes
    ]
    assert chosen == ["Close together"]
    as_charlie.cookies["stepwell-density"] = '"><b>'
    assert "data-density" not in read(as_charlie.get("/")).one("html").attributes


def test_the_top_bar_flips_every_time_of_a_page(as_charlie: Client, charlie) -> None:
    charlie.time_zone = "America/New_York"
    charlie.save()
    at = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    run = factories.make_run(status="completed", started=at, seconds=5)
    address = f"/runs/{run.number}/"
    assert "2026-07-01 08:00:00 EDT" in read(as_charlie.get(address)).text

    assert as_charlie.post("/me/look/", {"zone": "UTC", "next": address})["Location"] == address

    assert "2026-07-01 12:00:00 UTC" in read(as_charlie.get(address)).text
    assert as_charlie.post("/me/look/", {"zone": "Mars/Base"}).status_code == 422
    as_charlie.post("/me/look/", {"zone": ""})
    row = read(as_charlie.get("/runs/")).one("tbody").one("time")
    assert row["title"].startswith("2026-07-01 08:00:00 EDT · 2026-07-01 12:00:00 UTC · ")
