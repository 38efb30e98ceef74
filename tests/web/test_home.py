"""Home: what runs, what ran, which pipelines there are, and how to begin."""

from __future__ import annotations

from django.test import Client

from stepwell.accounts.models import InstanceSettings
from tests import factories
from tests.web.page import read


def test_an_empty_instance_says_how_to_begin(as_charlie: Client) -> None:
    page = read(as_charlie.get("/"))

    assert page.has("h2")
    assert "Write your first pipeline" in page.text
    assert "python hello.py" in page.text
    assert "stepwell register hello.py" in page.text
    assert page.has("copy-text")
    assert "Schedule it" in page.text
    assert "Invite people" not in page.text  # a viewer may not


def test_an_empty_instance_tells_its_admin_what_comes_next(as_alice: Client) -> None:
    page = read(as_alice.get("/"))

    for next_step in ("Schedule it", "Store a secret", "Invite people", "Be told of failures", "Make an API token"):
        assert next_step in page.text


def test_pipelines_without_runs_are_not_called_a_first_use(as_charlie: Client) -> None:
    factories.make_pipeline("train-model")

    page = read(as_charlie.get("/"))

    assert "Nothing has run yet" in page.text
    assert "Write your first pipeline" not in page.text


def test_what_runs_stands_before_what_ended(as_charlie: Client) -> None:
    factories.make_run(status="completed", number=1)
    factories.make_run(status="running", number=2)
    factories.make_run(status="queued", number=3)

    page = read(as_charlie.get("/"))

    sections = [
        (section.one("h2").text, [row.all("a")[0]["href"] for row in section.one("tbody").all("tr")])
        for section in page.all("section", class_="card")
        if section.has("tbody")
    ]
    assert sections == [("Running now", ["/runs/3/", "/runs/2/"]), ("Recent runs", ["/runs/1/"])]


def test_a_pipeline_shows_its_latest_runs_as_bars(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline("train-model")
    for status in ("completed", "failed"):
        factories.make_run(pipeline=pipeline, status=status)

    bars = read(as_charlie.get("/")).one("svg", class_="spark").all("rect")

    assert [bar["data-status"] for bar in bars] == ["completed", "failed"]


def test_only_operators_see_the_button_that_runs(as_bob: Client, as_charlie: Client) -> None:
    factories.make_pipeline("train-model")

    assert read(as_bob.get("/")).has("a", href="/pipelines/train-model/run/")
    assert not read(as_charlie.get("/")).has("a", href="/pipelines/train-model/run/")


def test_htmx_gets_the_lists_alone(as_charlie: Client) -> None:
    factories.make_run(status="running")

    response = as_charlie.get("/", headers={"HX-Request": "true", "HX-Target": "home-runs"})

    page = read(response)
    assert page.has("div", id="home-runs")
    assert not page.has("html")
    assert "HX-Request" in response["Vary"]


def test_queries_do_not_grow_with_runs_and_pipelines(as_charlie: Client, django_assert_max_num_queries) -> None:
    for _ in range(6):
        factories.make_run(status="running", steps=3)
        factories.make_run(status="completed", steps=3)
    InstanceSettings.load()

    with django_assert_max_num_queries(14):
        as_charlie.get("/")


def test_home_answers_reads_only(as_bob: Client) -> None:
    assert as_bob.post("/").status_code == 405
