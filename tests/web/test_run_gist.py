"""What a run was given and what it came to, on its first page."""

from __future__ import annotations

from django.test import Client

from stepwell.artifacts.models import StepArtifact
from stepwell.runs.models import Run, StepRun
from tests import factories
from tests.web.page import Element, read
from tests.web.run_pages import open_run


def take(step: StepRun, version: object) -> None:
    StepArtifact.objects.create(
        step_run=step, artifact_version=version, direction=StepArtifact.Direction.INPUT, name="data"
    )


def results(page: Element) -> list[str]:
    """Return the names of the results, which are links to them."""
    return [row.one("a", class_="table__link").text for row in page.one(id="run-gist").all("div", class_="artifact")]


def live(client: Client, page: Element) -> Element:
    address = page.one("div", id="run-live")["hx-get"]
    return read(client.get(address, headers={"HX-Request": "true", "HX-Target": "run-live"}))


def a_run(**fields: object) -> tuple[Run, StepRun, StepRun]:
    run = factories.make_run(parameters={"learning_rate": 0.01, "layers": [64, 32]}, **fields)
    return run, factories.make_step(run, "load"), factories.make_step(run, "train")


def test_parameters_and_the_results_no_step_takes_up_are_there(as_charlie: Client) -> None:
    run, load, train = a_run()
    take(train, factories.make_artifact(load, "rows"))
    model = factories.make_artifact(train, "model")
    elsewhere = factories.make_run()
    take(factories.make_step(elsewhere, "report"), model)

    page = open_run(as_charlie, run)

    assert "learning_rate 0.01 layers [64, 32]" in page.one(id="run-gist").one("dl").text
    # What another run took up still is a result of this one.
    assert results(page) == ["model"]
    assert as_charlie.get(page.one(id="run-gist").one("a", class_="table__link")["href"]).status_code == 200


def test_more_than_fit_are_told_of(as_charlie: Client) -> None:
    run, load, _ = a_run()
    run.parameters = {f"p{number}": number for number in range(15)}
    run.save()
    for number in range(8):
        factories.make_artifact(load, f"out{number}")

    page = open_run(as_charlie, run)

    assert results(page) == [f"out{number}" for number in (7, 6, 5, 4, 3, 2)]
    assert "and 3 more" in page.one(id="run-gist").text


def test_no_parameters_and_no_results_say_so(as_charlie: Client) -> None:
    ended = open_run(as_charlie, factories.make_run(steps=1, parameters={})).one(id="run-gist").text
    assert "The pipeline takes none." in ended
    assert "Nothing that is kept." in ended
    running = open_run(as_charlie, factories.make_run(status="running", steps=1)).one(id="run-gist").text
    assert "None yet: what its last steps return shows up here." in running


def test_a_result_comes_to_an_open_page_once(as_charlie: Client) -> None:
    run, _, train = a_run(status="running")
    page = open_run(as_charlie, run)
    assert not live(as_charlie, page).has(id="run-gist")

    factories.make_artifact(train, "model")
    newer = live(as_charlie, page)
    assert results(newer) == ["model"]
    assert not live(as_charlie, newer).has(id="run-gist")
