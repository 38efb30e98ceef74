from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from stepwell.core.ids import new_id
from stepwell.core.plan import Plan, PlannedStep, Source, StepOptions
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run
from stepwell.stacks import actions
from stepwell.stacks.models import Component
from tests import factories
from tests.web.page import form_of, read

NEW_TRACKER = "/stack/+/experiment_tracker/mlflow/"
NEW_OPERATOR = "/stack/+/step_operator/subprocess/"


def make_tracker(name: str = "local", **config: str) -> Component:
    return actions.add_component(
        kind="experiment_tracker",
        flavor="mlflow",
        name=name,
        config={"tracking_uri": "sqlite:////data/ml.db", **config},
        by=None,
    )


def make_operator(name: str = "fresh", **environment: str) -> Component:
    config = {"environment": environment}
    return actions.add_component(kind="step_operator", flavor="subprocess", name=name, config=config, by=None)


def test_an_admin_adds_a_tracker_and_it_is_audited(as_alice: Client) -> None:
    response = as_alice.post(NEW_TRACKER, {"name": "local", "tracking_uri": "sqlite:////data/ml.db"}, follow=True)

    made = Component.objects.get()
    assert (made.name, made.config, made.is_default) == ("local", {"tracking_uri": "sqlite:////data/ml.db"}, True)
    assert "local is added." in response.content.decode()
    assert AuditEvent.objects.get(action="component.added").actor_name == "alice"


def test_what_does_not_fit_is_said_beside_its_field_and_keeps_the_rest(as_alice: Client) -> None:
    response = as_alice.post(NEW_TRACKER, {"name": "local", "tracking_uri": "mlruns", "experiment_name": "mine"})
    page = read(response, status=422)

    assert "absolute folder" in page.one(id="id_tracking_uri_error").text
    assert page.one(id="id_experiment_name")["value"] == "mine"
    assert not Component.objects.exists()


def test_a_name_that_is_taken_is_said_beside_the_name(as_alice: Client) -> None:
    make_tracker()
    response = as_alice.post(NEW_TRACKER, {"name": "local", "tracking_uri": "/data"})

    assert "called local already" in read(response, status=409).one(id="id_name_error").text


def test_an_operators_variables_are_lines(as_alice: Client) -> None:
    as_alice.post(NEW_OPERATOR, {"name": "gpu", "environment": "A=1\r\n\r\nB=x=y\r\n", "is_default": "on"})
    assert Component.objects.get().config == {"environment": {"A": "1", "B": "x=y"}}

    response = as_alice.post(NEW_OPERATOR, {"name": "cpu", "environment": "A=1\nnothing"})
    assert "Line 2 is not NAME=value." in read(response, status=422).one(id="id_environment_error").text


def test_changing_shows_what_is_there_and_replaces_it(as_alice: Client) -> None:
    row = make_operator(A="1", B="2")
    page = read(as_alice.get(f"/stack/{row.pk}/"))
    assert page.one(id="id_environment").text == "A=1 B=2"

    response = as_alice.post(f"/stack/{row.pk}/", {"environment": "A=3", "python": "/usr/bin/python3"}, follow=True)

    row.refresh_from_db()
    assert row.config == {"environment": {"A": "3"}, "python": "/usr/bin/python3"}
    assert "fresh is changed" in response.content.decode()


def test_a_change_that_does_not_fit_changes_nothing(as_alice: Client) -> None:
    row = make_operator(A="1")
    response = as_alice.post(f"/stack/{row.pk}/", {"python": "python3"})

    assert "absolute path" in read(response, status=422).one(id="id_python_error").text
    row.refresh_from_db()
    assert row.config == {"environment": {"A": "1"}}


def test_another_one_is_made_the_default(as_alice: Client) -> None:
    make_tracker("one")
    second = make_tracker("two")
    assert read(as_alice.get("/stack/")).one("form", action=f"/stack/{second.pk}/default/")

    as_alice.post(f"/stack/{second.pk}/default/")

    assert [row.name for row in Component.objects.filter(is_default=True)] == ["two"]


def test_removing_asks_first(as_alice: Client) -> None:
    row = make_tracker()
    assert "Remove local?" in as_alice.get(f"/stack/{row.pk}/delete/").content.decode()
    assert Component.objects.exists()

    as_alice.post(f"/stack/{row.pk}/delete/")
    assert not Component.objects.exists()


def test_others_see_which_there_are_and_change_nothing(as_bob: Client, as_charlie: Client) -> None:
    tracker, operator = make_tracker(), make_operator(TOKEN="plain-but-private")
    for client in (as_bob, as_charlie):
        html = client.get("/stack/").content.decode()
        assert "sqlite:////data/ml.db" in html
        assert "fresh" in html
        assert "plain-but-private" not in html
        assert not read(client.get("/stack/")).all("a", href=NEW_TRACKER)
        for path in (NEW_TRACKER, NEW_OPERATOR, f"/stack/{tracker.pk}/", f"/stack/{operator.pk}/delete/"):
            assert client.get(path).status_code == 403
            assert client.post(path, {"name": "x", "tracking_uri": "/x"}).status_code == 403
        assert client.post(f"/stack/{tracker.pk}/default/").status_code == 403
    assert Component.objects.count() == 2


@pytest.mark.parametrize("path", ["/stack/+/experiment_tracker/wandb/", "/stack/+/artifact_store/local/"])
def test_a_flavor_that_does_not_exist_is_a_404(as_alice: Client, path: str) -> None:
    assert as_alice.get(path).status_code == 404


@pytest.mark.parametrize(
    ("url", "is_link"), [("https://mlflow.example.org/#/experiments/1/runs/abc", True), ("javascript:alert(1)", False)]
)
def test_a_steps_panel_links_to_its_run_in_the_tracker(as_charlie: Client, url: str, is_link: bool) -> None:
    told = {"tracker": "local", "flavor": "mlflow", "experiment": "etl", "run_id": "abc", "place": "/data", "url": url}
    run = factories.make_run(steps=["train"])
    run.steps.update(metadata={"experiment_tracker": told, "accuracy": 0.9})

    page = read(as_charlie.get(f"/runs/{run.number}/?step=train&tab=data"))

    links = [link for link in page.all("a") if link.attributes.get("href") == url]
    assert [link.text for link in links] == (["abc"] if is_link else [])
    facts = page.one(id="panel-facts").text
    assert "Experiment etl" in facts
    assert "accuracy 0.9" in facts
    assert ("in /data" in facts) is not is_link


def make_operated() -> Pipeline:
    pipeline = factories.make_pipeline("operated", schema={"type": "object", "properties": {}})
    snapshot = pipeline.newest_snapshot
    source = Source(module="train", qualname="train")
    options = StepOptions(step_operator="fresh")
    steps = [
        PlannedStep(invocation_id="load", name="load", source=source),
        PlannedStep(invocation_id="train", name="train", source=source, options=options),
    ]
    plan = Plan(pipeline="operated", source=source, steps=steps)
    snapshot.spec = snapshot.compiled.model_copy(update={"plan": plan}).model_dump(mode="json")
    snapshot.save()
    return pipeline


def test_the_run_form_can_switch_step_operators_off(as_bob: Client) -> None:
    pipeline = make_operated()
    make_operator()
    form = form_of(read(as_bob.get(f"/pipelines/{pipeline.slug}/run/")), f"/pipelines/{pipeline.slug}/run/")
    assert form["operators"] == "on"

    as_bob.post(f"/pipelines/{pipeline.slug}/run/", form)
    as_bob.post(
        f"/pipelines/{pipeline.slug}/run/",
        {key: value for key, value in form.items() if key != "operators"} | {"form_key": str(new_id())},
    )

    first, second = Run.objects.order_by("number")
    assert first.overrides["steps"] == {}
    assert second.overrides["steps"] == {"train": {"step_operator": False}}


def test_a_run_whose_operator_is_gone_is_refused_on_the_form_and_can_do_without(as_bob: Client) -> None:
    pipeline = make_operated()
    path = f"/pipelines/{pipeline.slug}/run/"
    form = form_of(read(as_bob.get(path)), path)

    page = read(as_bob.post(path, {**form, "name": "mine"}), status=422)
    assert "Step train: step_operator is 'fresh'" in page.one(role="alert").text
    assert page.one(id="run-name")["value"] == "mine"
    assert not Run.objects.exists()

    del form["operators"]
    assert as_bob.post(path, form).status_code == 302
    assert Run.objects.exists()
