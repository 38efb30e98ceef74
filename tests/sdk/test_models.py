"""``Model``: what it takes, what it tells the plan, and what a pipeline's body does with it."""

from __future__ import annotations

from typing import Annotated

import pytest

from stepwell import ArtifactConfig, Model, get_pipeline_context, log_metadata, pipeline, step
from stepwell.enums import ArtifactType, ModelStages
from stepwell.errors import ConfigError, NotFound
from stepwell.sdk.models import resolved_model


@step
def train(rate: float = 0.1) -> Annotated[float, ArtifactConfig(name="weights", is_model_artifact=True)]:
    return rate


@step(model=Model(name="price", version=2))
def price() -> float:
    return 1.0


@step
def score(weights: float) -> float:
    return weights


def steps_of(made):
    return {one.invocation_id: one for one in made.trace({})[0].steps}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "Model: name is ''"),
        ({"name": 3}, "Model: name is 3"),
        ({"name": "a/b"}, "Leave out slashes"),
        ({"name": "x" * 201}, "Model: name is"),
        ({"name": "churn", "version": ""}, "Model churn: version is ''"),
        ({"name": "churn", "version": 0}, "Versions count from 1"),
        ({"name": "churn", "version": True}, "Model churn: version is True"),
        ({"name": "churn", "version": 1.5}, "Give a number, name or stage"),
        ({"name": "churn", "license": 3}, "Model churn: license is 3"),
        ({"name": "churn", "tags": "one"}, "Give a list"),
        ({"name": "churn", "tags": [1]}, "Give a list"),
    ],
)
def test_what_does_not_fit_is_told(given, words):
    with pytest.raises(ConfigError, match=words):
        Model(**given)


@pytest.mark.parametrize(
    ("version", "told"),
    [(None, None), (1, 1), ("1", "1"), ("summer", "summer"), (ModelStages.PRODUCTION, "production")],
)
def test_the_plan_holds_the_version_as_it_was_named(version, told):
    @pipeline(model=Model(name="churn", version=version))
    def made():
        train()

    assert steps_of(made)["train"].options.model == {"name": "churn", **({} if told is None else {"version": told})}


def test_a_steps_model_stands_above_the_pipelines():
    @pipeline(model=Model(name="churn", license="MIT", save_models_to_registry=False))
    def made():
        train()
        price()

    steps = steps_of(made)
    assert steps["train"].options.model == {"name": "churn", "license": "MIT"}
    assert steps["price"].options.model == {"name": "price", "version": 2}


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (ArtifactConfig(is_model_artifact=True), "model"),
        (ArtifactConfig(is_deployment_artifact=True), "service"),
        (ArtifactConfig(artifact_type=ArtifactType.STATISTICS), "statistics"),
        (ArtifactConfig(artifact_type="ModelArtifact"), "model"),
        (ArtifactConfig(name="plain"), ""),
    ],
)
def test_what_an_output_is_goes_into_the_plan(config, kind):
    @step
    def make() -> Annotated[int, config]:
        return 1

    @pipeline
    def made():
        make()

    assert steps_of(made)["make"].outputs[0].kind == kind


def test_an_unknown_artifact_type_names_those_there_are():
    with pytest.raises(ConfigError, match="The types are: DATA_ANALYSIS, MODEL, DATA"):
        ArtifactConfig(artifact_type="engine")


def test_in_a_body_an_artifact_of_the_model_is_an_input_looked_up_later():
    @pipeline(model=Model(name="churn", version="production"))
    def made():
        model = get_pipeline_context().model
        score(model.get_artifact("weights"))
        score(model.load_artifact("weights", version=3))

    steps = steps_of(made)
    first, second = steps["score"].inputs["weights"], steps["score_2"].inputs["weights"]
    assert (first.kind, first.name) == ("linked", "weights")
    assert first.model == {"name": "churn", "version": "production", "artifact_version": ""}
    assert second.model["artifact_version"] == "3"
    assert steps["score"].upstream == []


def test_a_pipelines_context_is_there_in_its_body_only():
    seen = []

    @pipeline(extra={"team": "growth"})
    def made():
        seen.append(get_pipeline_context())
        train()

    made.trace({})
    assert (seen[0].name, seen[0].model, seen[0].extra) == ("made", None, {"team": "growth"})
    with pytest.raises(RuntimeError, match="in a pipeline's body only"):
        get_pipeline_context()


def test_in_a_step_the_model_has_the_version_of_the_run():
    given = {"name": "churn", "license": "MIT", "tags": ["a"]}
    model = resolved_model(given, {"model": "churn", "version": "7", "number": 7})

    assert model == Model(name="churn", version="7", license="MIT", tags=["a"])
    assert resolved_model(None, None) is None


def test_metadata_of_a_model_needs_one_that_is_named_or_worked_on():
    with pytest.raises(ValueError, match="Which model"):
        log_metadata({"a": 1}, infer_model=True)


def test_what_is_not_there_is_a_key_error_with_plain_words():
    error = NotFound("There is no model “x”.", hint="Did you mean y?")

    assert isinstance(error, KeyError)
    assert str(error) == "There is no model “x”. Did you mean y?"
