"""Components: what a configuration may hold, which one is the default, and which options find one."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from stepwell import pipeline, step
from stepwell.accounts.models import AuditEvent
from stepwell.core.plan import StepOptions
from stepwell.errors import ConfigError, NotFound
from stepwell.stacks import actions, queries
from stepwell.stacks.links import tracked_run
from stepwell.stacks.models import Component
from stepwell.stacks.opening import open_for
from stepwell.vault.actions import put_secret
from stepwell.vault.models import SecretUse

pytestmark = pytest.mark.django_db

DATABASE = "sqlite:////data/mlflow.db"
PASSWORD = "nine-purple-otters"


@pytest.fixture(autouse=True)
def ring(tmp_path, settings):
    settings.KEYRING_FILE = tmp_path / "keyring"


def add_tracker(name="local", *, is_default=False, **config):
    return actions.add_component(
        kind="experiment_tracker",
        flavor="mlflow",
        name=name,
        config={"tracking_uri": DATABASE, **config},
        is_default=is_default,
        by=None,
    )


def add_operator(name="fresh", **config):
    return actions.add_component(kind="step_operator", flavor="subprocess", name=name, config=config, by=None)


def refusal(add, **config):
    with pytest.raises(ConfigError) as caught:
        add(**config)
    return caught.value.details["fields"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://mlflow.example.org",
        "http://127.0.0.1:5000/base",
        DATABASE,
        "/data/mlruns",
        "file:///data/mlruns",
        "postgresql+psycopg://u:{{mlflow.DB_PASSWORD}}@db/mlflow",
    ],
)
def test_a_tracker_takes_servers_databases_and_folders(uri):
    put_secret(name="mlflow", values={"DB_PASSWORD": PASSWORD}, by=None)
    assert add_tracker(tracking_uri=uri).config == {"tracking_uri": uri}


@pytest.mark.parametrize(
    ("config", "field", "why"),
    [
        ({"tracking_uri": "mlruns"}, "tracking_uri", "absolute folder"),
        ({"tracking_uri": "sqlite:///mlflow.db"}, "tracking_uri", "four slashes"),
        ({"tracking_uri": "ftp://example.org"}, "tracking_uri", "address of an MLflow server"),
        ({"tracking_uri": f"https://ana:{PASSWORD}@example.org"}, "tracking_uri", "{{secret.key}}"),
        ({"tracking_uri": "https://a\nb"}, "tracking_uri", "one line"),
        ({"tracking_uri": 7}, "tracking_uri", "string"),
        ({"tracking_password": PASSWORD}, "tracking_password", "Secrets are not kept here"),
        ({"tracking_token": "{{mlflow.TOKEN}}"}, "tracking_token", "no secret called mlflow"),
        ({"dashboard_url": "javascript:alert(1)"}, "dashboard_url", "http://"),
        ({"uri": "x"}, "uri", "There are: tracking_uri"),
    ],
)
def test_a_tracker_setting_that_does_not_fit_is_named_with_the_reason(config, field, why):
    fields = refusal(add_tracker, **config)
    assert list(fields) == [field]
    assert why in fields[field]
    assert PASSWORD not in fields[field]
    assert not Component.objects.exists()


@pytest.mark.parametrize(
    ("config", "field", "why"),
    [
        ({"python": "python3"}, "python", "absolute path"),
        ({"environment": {"A B": "1"}}, "environment", "“A B”"),
        ({"environment": {"STEPWELL_HOME": "/"}}, "environment", "set by Stepwell itself"),
        ({"environment": {"TOKEN": "{{mlflow.TOKEN}}"}}, "environment", "no secret called mlflow"),
    ],
)
def test_an_operator_setting_that_does_not_fit_is_named_with_the_reason(config, field, why):
    fields = refusal(add_operator, **config)
    assert list(fields) == [field]
    assert why in fields[field]


def test_a_reference_to_a_key_the_secret_does_not_have_is_refused():
    put_secret(name="mlflow", values={"TOKEN": PASSWORD}, by=None)
    assert "It has: TOKEN." in refusal(add_tracker, tracking_token="{{mlflow.PASSWORD}}")["tracking_token"]


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 101])
def test_a_name_that_does_not_do_is_refused(name):
    assert list(refusal(add_tracker, name=name)) == ["name"]


def test_two_of_a_kind_cannot_share_a_name_and_two_kinds_can():
    add_tracker("one")
    add_operator("one")
    with pytest.raises(actions.ComponentExists, match="called one already"):
        add_tracker("one")


def test_an_unknown_flavor_is_answered_with_those_there_are():
    with pytest.raises(NotFound, match="experiment_tracker mlflow"):
        actions.add_component(kind="experiment_tracker", flavor="wandb", name="x", config={}, by=None)


def test_the_first_of_a_kind_is_the_default_until_another_one_is_made_it():
    first, second = add_tracker("one"), add_tracker("two")
    add_operator()
    assert [first.is_default, second.is_default] == [True, False]
    actions.set_default(component=second, by=None)
    assert set(Component.objects.filter(is_default=True).values_list("name", flat=True)) == {"two", "fresh"}
    third = add_tracker("three", is_default=True)
    assert Component.objects.get(kind="experiment_tracker", is_default=True) == third


def test_the_database_refuses_two_defaults_of_a_kind():
    add_tracker("one")
    with pytest.raises(IntegrityError), transaction.atomic():
        Component.objects.create(kind="experiment_tracker", flavor="mlflow", name="two", is_default=True)


def test_acts_are_audited_without_the_values_of_variables(alice):
    made = actions.add_component(
        kind="step_operator", flavor="subprocess", name="x", config={"environment": {"A": "hush"}}, by=alice
    )
    actions.change_component(component=made, config={"environment": {"B": "hush"}}, by=alice)
    actions.set_default(component=add_operator("y"), by=alice)
    actions.remove_component(component=made, by=alice)
    events = list(AuditEvent.objects.filter(actor_id=alice.pk))
    assert {event.action for event in events} == {
        "component.added",
        "component.changed",
        "component.made_default",
        "component.removed",
    }
    changed = next(event for event in events if event.action == "component.changed")
    assert (changed.before["config"], changed.after["config"]) == ({"environment": ["A"]}, {"environment": ["B"]})
    assert "hush" not in str([(event.before, event.after) for event in events])


def test_options_find_components_by_name_and_by_default():
    local = add_tracker("local")
    assert actions.find_for("experiment_tracker", "local", step="train") == local
    assert actions.find_for("experiment_tracker", True, step="train") == local
    assert actions.find_for("experiment_tracker", False, step="train") is None
    assert actions.find_for("experiment_tracker", None, step="train") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"experiment_tracker": "loca"},
            "Step train: experiment_tracker is 'loca', but there is no experiment tracker",
        ),
        ({"step_operator": True}, "Step train: step_operator is True, but there is no default step operator"),
    ],
)
def test_an_unknown_component_is_refused_with_the_step_the_option_and_what_there_is(options, said):
    add_tracker("local")
    add_tracker("remote")
    with pytest.raises(NotFound) as caught:
        actions.check_options([("load", StepOptions()), ("train", StepOptions(**options))])
    assert said in caught.value.message
    known = "There are: local, remote." if "experiment_tracker" in options else "stepwell stack add step_operator"
    assert known in caught.value.hint


def test_opening_fills_in_secrets_and_writes_down_who_got_them():
    put_secret(name="mlflow", values={"PASSWORD": PASSWORD, "OTHER": "not-this-one"}, by=None)
    component = add_tracker(tracking_username="ana", tracking_password="{{ mlflow.PASSWORD }}")
    run_id, attempt_id = uuid4(), uuid4()
    opened = open_for("experiment_tracker", "local", run_id=run_id, step_name="train", attempt_id=attempt_id)
    assert opened.config == {"tracking_uri": DATABASE, "tracking_username": "ana", "tracking_password": PASSWORD}
    assert opened.secret_values == (PASSWORD,)
    assert PASSWORD not in repr(opened)
    component.refresh_from_db()
    assert PASSWORD not in str(component.config)
    assert SecretUse.objects.get(attempt_id=attempt_id).step_name == "train"


def test_the_artifact_store_is_listed_and_cannot_be_added():
    assert [(line.kind, line.id, line.is_default) for line in queries.list_components()] == [
        ("artifact_store", None, True)
    ]
    with pytest.raises(NotFound):
        actions.add_component(kind="artifact_store", flavor="local", name="x", config={}, by=None)


def test_only_web_addresses_that_a_step_tells_become_links():
    told = {"experiment_tracker": {"run_id": "r", "tracker": "local", "url": "javascript:alert(1)", "place": "p"}}
    assert tracked_run(told).url == ""
    told["experiment_tracker"]["url"] = "https://mlflow/#/experiments/1/runs/r"
    assert tracked_run(told).url == "https://mlflow/#/experiments/1/runs/r"
    assert tracked_run({"experiment_tracker": "mine"}) is None
    assert tracked_run({}) is None


def test_a_pipelines_components_are_those_of_its_steps_unless_they_say_otherwise():
    @step
    def plain() -> int:
        return 1

    @step(experiment_tracker=False, step_operator="gpu")
    def other() -> int:
        return 2

    @pipeline(experiment_tracker="local", step_operator=True)
    def both():
        plain()
        other()

    plan, _ = both.trace({})
    found = {one.name: (one.options.experiment_tracker, one.options.step_operator) for one in plan.steps}
    assert found == {"plain": ("local", True), "other": (False, "gpu")}
