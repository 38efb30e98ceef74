"""Models from end to end: a script and a runner make versions, steps promote them, and clients see the same."""

from __future__ import annotations

import json

import pytest

from tests.commands import told

SCRIPT = """
import sys
from typing import Annotated

from stepwell import ArtifactConfig, Model, get_pipeline_context, get_step_context, log_metadata, pipeline, step
from stepwell.enums import ModelStages


@step(enable_cache=False)
def train(rate: float) -> Annotated[dict, ArtifactConfig(name="weights", is_model_artifact=True)]:
    log_metadata({"rate": rate}, infer_model=True)
    return {"rate": rate}


@step(enable_cache=False)
def count(rate: float) -> str:
    return get_step_context().model.version


@step(enable_cache=False)
def promote(weights: dict, counted: str) -> bool:
    model = get_step_context().model
    assert counted == model.version, "the steps of a run share its version"
    assert model.get_artifact("weights").load() == weights
    assert model.run_metadata["rate"] == weights["rate"]
    try:
        best = Model(name="churn", version=ModelStages.PRODUCTION).load_artifact("weights")["rate"]
    except KeyError:
        best = -1.0
    if weights["rate"] <= best:
        return False
    model.set_stage("production", force=True)
    return get_step_context().model.stage == ModelStages.PRODUCTION


@pipeline(model=Model(name="churn", license="MIT"))
def churn_training(rate: float = 0.1):
    promote(train(rate), count(rate))


@step
def score(weights: dict) -> float:
    print("scored with", weights["rate"], "of version", get_step_context().model.version)
    return weights["rate"] * 10


@pipeline(model=Model(name="churn", version="production"))
def scoring():
    score(get_pipeline_context().model.get_artifact("weights"))


if __name__ == "__main__":
    churn_training(rate=float(sys.argv[1]))
"""
BAD = """
from stepwell import Model, pipeline, step


@step
def work() -> None:
    print("work was done")


@pipeline(model=Model(name="churn", version="staging"))
def bad():
    work()


bad()
"""
READ = """
import json

from stepwell import Client

client = Client()
found = client.get_model_version("churn", "production")
try:
    client.get_model_version("churn", "staging")
    missing = False
except KeyError:
    missing = True
print(json.dumps({
    "versions": [[one.name, one.stage] for one in client.list_model_versions("churn")],
    "production": found.name,
    "rate": found.get_artifact("weights").load()["rate"],
    "logged": found.run_metadata,
    "kinds": [sorted(found.model_artifacts), sorted(found.data_artifacts)],
    "missing": missing,
}))
"""


@pytest.fixture(scope="module")
def trained(instance):
    """Version 1 by a script, 2 (better) and 3 (worse) by the runner."""
    file = instance.commands.folder / "churn.py"
    file.write_text(SCRIPT)
    done = instance.commands.python(file, "0.1")
    assert done.returncode == 0, told(done)
    instance.register(file)
    for rate in (0.3, 0.2):
        run = instance.wait_for(instance.start("churn_training", parameters={"rate": rate})["id"])
        assert run["status"] == "completed", instance.steps(run["id"])
    return instance


def test_steps_promote_the_best_version_and_the_history_says_which_step(trained):
    versions = trained.api.get("/models/churn/versions").json()["items"]
    best = trained.api.get("/models/churn/versions/production").json()

    assert {one["version"]: one["stage"] for one in versions} == {"1": "archived", "2": "production", "3": "none"}
    # the oldest of them made it
    number = best["runs"][-1]["number"]
    assert [move["by"] for move in best["stage_history"]] == [f"step promote of run #{number}"]
    assert {(link["name"], link["kind"]) for link in best["artifacts"]} == {
        ("weights", "model"),
        ("output", ""),
    }
    assert trained.api.get("/models/churn").json()["license"] == "MIT"


def test_a_body_takes_what_is_in_production_when_the_run_starts(trained):
    run = trained.wait_for(trained.start("scoring")["id"])

    assert run["status"] == "completed", trained.steps(run["id"])
    assert trained.log(run["id"], "score") == "scored with 0.3 of version 2\n"


@pytest.mark.parametrize("place", ["here", "over HTTP"])
def test_clients_see_the_same_versions(trained, place):
    file = trained.commands.folder / "read.py"
    lines = {"here": "", "over HTTP": f"import os\nos.environ['STEPWELL_URL'] = {trained.url!r}\n"}[place]
    token = trained.api.headers["Authorization"].removeprefix("Bearer ")
    file.write_text(f"import os\nos.environ['STEPWELL_TOKEN'] = {token!r}\n{lines}{READ}")
    done = trained.commands.python(file)
    assert done.returncode == 0, told(done)
    seen = json.loads(done.stdout)

    assert seen == {
        "versions": [["3", "none"], ["2", "production"], ["1", "archived"]],
        "production": "2",
        "rate": 0.3,
        "logged": {"rate": 0.3},
        "kinds": [["weights"], ["output"]],
        "missing": True,
    }


def test_a_stage_nobody_is_in_fails_before_a_run_exists(trained):
    file = trained.commands.folder / "bad.py"
    file.write_text(BAD)
    before = len(trained.commands.runs())
    done = trained.commands.python(file)

    assert done.returncode != 0
    assert "No version of the model churn is in staging. Its versions are: 3, 2 (production), 1" in done.stderr
    assert "work was done" not in done.stdout
    assert len(trained.commands.runs()) == before
