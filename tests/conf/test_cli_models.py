"""``stepwell models``."""

from __future__ import annotations

import json

import pytest

from stepwell.accounts.models import AuditEvent
from stepwell.artifacts.models import Model, ModelVersion, StageChange
from stepwell.conf import cli

pytestmark = pytest.mark.django_db


@pytest.fixture
def models(capsys):
    def run(*words):
        code = cli.main(["models", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def churn():
    model = Model.objects.create(name="churn", description="who leaves")
    for number in (1, 2, 3):
        ModelVersion.objects.create(model=model, name=str(number), number=number)
    return model


def test_without_any_it_says_so(models):
    assert models() == (0, "No models.\n", "")


def test_models_are_listed_with_newest_version_and_stages(models, churn):
    models("promote", "churn", "2", "production")
    code, out, _ = models()
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["MODEL", "VERSIONS", "NEWEST", "STAGES"],
        ["churn", "3", "3", "production:", "2"],
    ]
    (listed,) = json.loads(models("list", "--json")[1])
    assert (listed["name"], listed["n_versions"], listed["stages"]) == ("churn", 3, {"production": "2"})


def test_a_model_is_shown_with_its_versions(models, churn):
    code, out, _ = models("show", "churn")
    assert code == 0
    assert out.splitlines()[:2] == ["Model churn: 3 versions", "  description: who leaves"]
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["VERSION", "3", "2", "1"]
    shown = json.loads(models("show", "churn", "--json")[1])
    assert [version["number"] for version in shown["versions"]] == [3, 2, 1]


def test_a_version_is_promoted_with_a_record_of_it(models, churn):
    said = models("promote", "churn", "latest", "staging", "--reason", "best so far")[1]
    assert said == "Version 3 of churn moved from none to staging.\n"
    change = StageChange.objects.get()
    assert (change.new, change.by_name, change.reason) == ("staging", "the command line", "best so far")
    assert AuditEvent.objects.get(action="model.promoted").after == {"stage": "staging"}
    assert models("promote", "churn", "3", "staging")[1] == "Version 3 of churn is in staging already.\n"
    assert "none -> staging by the command line: best so far" in models("show", "churn", "staging")[1]


def test_a_stage_that_is_taken_needs_force(models, churn):
    models("promote", "churn", "1", "production")
    code, _, said = models("promote", "churn", "2", "production")
    assert code == 1
    assert said.startswith("stepwell: Version 1 of churn is in production.")
    assert models("promote", "churn", "2", "production", "--force")[0] == 0
    assert dict(ModelVersion.objects.values_list("name", "stage")) == {"1": "archived", "2": "production", "3": "none"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "chrun"), 1, "There is no model “chrun”. Did you mean churn?"),
        (("promote", "churn", "9", "staging"), 1, "The model churn has no version 9. Its versions are: 3, 2, 1."),
        (
            ("promote", "churn", "1", "prod"),
            2,
            "A model version cannot be moved to 'prod'. The stages are: none, staging, production, archived.",
        ),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(models, churn, words, code, said):
    assert models(*words) == (code, "", f"stepwell: {said}\n")
