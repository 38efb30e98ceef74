"""``stepwell stack``."""

from __future__ import annotations

import json

import pytest

from stepwell.conf import cli
from stepwell.stacks.models import Component

pytestmark = pytest.mark.django_db
TRACKER = ("add", "experiment_tracker", "mlflow")


@pytest.fixture
def stack(capsys):
    def run(*words):
        code = cli.main(["stack", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_components_are_added_listed_and_removed(stack):
    assert stack(*TRACKER, "local", "tracking_uri=sqlite:////data/ml.db")[:2] == (
        0,
        "Added local, the default of its kind.\n",
    )
    assert stack("add", "step_operator", "subprocess", "gpu", "python=/opt/x/bin/python", "environment.A=b=c")[0] == 0
    assert Component.objects.get(name="gpu").config == {"python": "/opt/x/bin/python", "environment": {"A": "b=c"}}

    code, out, _ = stack()
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["KIND", "NAME"],
        ["artifact_store", "local"],
        ["experiment_tracker", "local"],
        ["step_operator", "gpu"],
    ]
    listed = json.loads(stack("list", "--json")[1])
    assert listed[1] == {
        "kind": "experiment_tracker",
        "flavor": "mlflow",
        "name": "local",
        "default": True,
        "config": {"tracking_uri": "sqlite:////data/ml.db"},
    }

    assert stack("remove", "experiment_tracker", "local")[0] == 0
    assert list(Component.objects.values_list("name", flat=True)) == ["gpu"]


def test_the_default_is_chosen(stack):
    stack(*TRACKER, "one", "tracking_uri=/a")
    stack(*TRACKER, "two", "tracking_uri=/b")
    stack("set-default", "experiment_tracker", "two")
    assert Component.objects.get(is_default=True).name == "two"
    stack(*TRACKER, "three", "tracking_uri=/c", "--default")
    assert Component.objects.get(is_default=True).name == "three"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*TRACKER, "x", "tracking_uri=mlruns"), "The setting tracking_uri of MLflow does not fit."),
        ((*TRACKER, "x", "traking_uri=/a"), "Did you mean tracking_uri"),
        ((*TRACKER, "x"), "This is needed."),
        ((*TRACKER, "x", "tracking_uri"), "is not NAME=VALUE"),
        (("add", "experiment_tracker", "wandb", "x"), "There are: experiment_tracker mlflow"),
        (("add", "step_operator", "subprocess", "x", "environment=A=1"), "Write environment.KEY=VALUE."),
        (("add", "step_operator", "subprocess", "x", "python.a=1"), "Write python=VALUE."),
        (("remove", "step_operator", "x"), "There is no step operator called x. There are: none."),
        (("set-default", "experiment_tracker", "x"), "There is no experiment tracker called x."),
    ],
)
def test_what_cannot_be_done_is_said_with_what_can(stack, words, said):
    code, _, err = stack(*words)
    assert code in {1, 2}
    assert said in err
    assert not Component.objects.exists()


def test_the_artifact_store_cannot_be_added(stack):
    assert stack("add", "artifact_store", "local", "x")[0] == 2
