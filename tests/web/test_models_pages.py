"""Models in the browser: the lists, a version with all that belongs to it, and the form that promotes it."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from stepwell.artifacts import model_actions
from stepwell.artifacts.models import ModelVersion
from stepwell.web import model_pages
from tests.artifacts.test_model_actions import complete, naming, output, plan_run, version_of
from tests.web.page import form_of, read

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def versions(db):
    """Two versions of churn, each with its weights."""
    runs = [plan_run(a=naming(license="MIT", description="who leaves", audience="sales")) for _ in range(2)]
    for run in runs:
        complete(run, "a", output("weights", kind="model"))
    return [version_of(run, "a") for run in runs]


def test_the_list_shows_which_version_is_in_use(as_charlie: Client, versions) -> None:
    plan_run(a=naming(name="price"))
    model_actions.set_stage(versions[0], "production")
    rows = read(as_charlie.get("/models/")).one("tbody").all("tr")

    assert [row.one("a", class_="table__link").text for row in rows] == ["churn", "price"]
    assert "production 1" in rows[0].text
    assert "none promoted" in rows[1].text


def test_an_empty_list_says_how_a_model_is_made(as_charlie: Client) -> None:
    assert 'model=Model(name="churn")' in read(as_charlie.get("/models/")).text


def test_a_part_of_the_name_finds_a_model(as_charlie: Client, versions) -> None:
    plan_run(a=naming(name="price"))

    assert "churn" not in read(as_charlie.get("/models/?text=RIC")).one("tbody").text
    assert "No model has “zebra”" in read(as_charlie.get("/models/?text=zebra")).text


def test_pages_of_models_and_of_versions_follow_one_another(as_charlie: Client, versions, monkeypatch) -> None:
    monkeypatch.setattr(model_pages, "PAGE_ROWS", 1)
    plan_run(a=naming(name="price"))
    first = read(as_charlie.get("/models/"))
    newest = read(as_charlie.get("/models/churn/"))

    assert "price" in read(as_charlie.get(f"/models/{first.one('a', rel='next')['href']}")).one("tbody").text
    older = read(as_charlie.get(f"/models/churn/{newest.one('a', rel='next')['href']}"))
    assert [link.text for link in older.all("a", class_="table__link")] == ["1"]
    assert not older.has("a", rel="next")


def test_a_model_shows_what_its_code_says_of_it(as_charlie: Client, versions) -> None:
    page = read(as_charlie.get("/models/churn/"))

    for words in ("who leaves", "License MIT", "Audience sales"):
        assert words in page.text
    assert [link.text for link in page.all("a", class_="table__link")] == ["2", "1"]


def test_a_version_shows_artifacts_metadata_runs_and_moves(as_charlie: Client, versions) -> None:
    version = versions[0]
    model_actions.add_metadata(version, {"auc": 0.8})
    step = version.run_links.get().run.steps.get()
    model_actions.set_stage(version, "staging", step=step)
    page = read(as_charlie.get("/models/churn/1/"))

    for words in ("weights model int", "auc 0.8", f"#{step.run.number}", f"step a of run #{step.run.number}"):
        assert words in page.text
    assert not page.has("form", id="promotion")


def test_the_panel_of_a_step_leads_to_the_version_it_worked_on(as_charlie: Client, versions) -> None:
    run = versions[0].run_links.get().run
    links = read(as_charlie.get(f"/runs/{run.number}/?step=a&tab=options")).all("a", href="/models/churn/1/")

    assert [link.text for link in links] == ["churn 1"]


def test_the_story_of_a_run_tells_its_models(as_charlie: Client, versions) -> None:
    run = versions[0].run_links.get().run
    model_actions.set_stage(versions[0], "staging", step=run.steps.get())
    text = read(as_charlie.get(f"/runs/{run.number}/events/")).text

    assert "Works on the model churn 1" in text
    assert "churn 1 moved to staging" in text


def test_an_operator_promotes_and_the_page_says_so(as_bob: Client, versions) -> None:
    page = read(as_bob.get("/models/churn/2/"))
    values = {**form_of(page, "/models/churn/2/stage/"), "stage": "production", "reason": "best"}
    moved = as_bob.post("/models/churn/2/stage/", values, follow=True)

    text = read(moved).text
    assert "Version 2 of churn: stage production." in text
    assert "none production bob" in text
    event = AuditEvent.objects.get(action="model.promoted")
    assert (event.actor_name, event.object_name, event.after) == ("bob", "churn 2", {"stage": "production"})


def test_a_taken_stage_is_told_beside_the_field_and_can_be_forced(as_bob: Client, versions) -> None:
    model_actions.set_stage(versions[0], "production")
    refused = as_bob.post("/models/churn/2/stage/", {"stage": "production", "reason": "better"})
    page = read(refused, status=409)

    assert refused.status_code == 409
    assert page.one("p", id="stage-e").text == "Version 1 of churn is in production."
    assert page.one("input", id="reason")["value"] == "better"
    assert not AuditEvent.objects.filter(action="model.promoted").exists()
    as_bob.post("/models/churn/2/stage/", {"stage": "production", "force": "on"})
    assert dict(ModelVersion.objects.values_list("name", "stage")) == {"1": "archived", "2": "production"}


@pytest.mark.parametrize("stage", ["", "latest", "live", HOSTILE])
def test_what_is_no_stage_is_refused(as_bob: Client, versions, stage) -> None:
    response = as_bob.post("/models/churn/2/stage/", {"stage": stage})

    assert response.status_code == 422
    assert b"<img" not in response.content


def test_a_viewer_does_not_promote(as_charlie: Client, versions) -> None:
    assert as_charlie.post("/models/churn/2/stage/", {"stage": "production"}).status_code == 403
    assert not ModelVersion.objects.exclude(stage="none").exists()


@pytest.mark.parametrize("path", ["/models/none/", "/models/churn/9/", "/models/churn/staging/", "/models/%00/"])
def test_what_does_not_exist_is_404(as_charlie: Client, versions, path) -> None:
    assert as_charlie.get(path).status_code == 404


def test_hostile_names_and_facts_are_text(as_charlie: Client) -> None:
    version = version_of(plan_run(a=naming(name=HOSTILE, description=HOSTILE, tags=[HOSTILE])), "a")
    model_actions.add_metadata(version, {HOSTILE: HOSTILE})
    for path in ("/models/", f"/models/{HOSTILE}/", f"/models/{HOSTILE}/1/"):
        response = as_charlie.get(path)
        assert response.status_code == 200
        assert b"<img" not in response.content


def test_queries_of_a_model_do_not_grow_with_its_versions(
    as_charlie: Client, versions, django_assert_max_num_queries
) -> None:
    for _ in range(5):
        plan_run(a=naming())
    with django_assert_max_num_queries(12):
        as_charlie.get("/models/churn/")
