"""Scripts for ZenML, configuration files and pipeline hooks on the runner: registered, started, cancelled and rerun."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import told
from tests.processes.zenml_files import CONFIG

TEXTS = Path(__file__).parents[1] / "reference" / "texts"


@pytest.fixture(autouse=True)
def configuration(instance):
    (instance.commands.folder / "training.yaml").write_text(CONFIG)


def test_a_registered_zenml_file_is_started_over_the_api_and_rerun(instance):
    run = instance.start("training", parameters={"rows": 2})
    assert instance.wait_for(run["id"])["status"] == "completed", instance.steps(run["id"])
    assert "loading 2 rows" in instance.log(run["id"], "load")
    assert any("Docker settings have no effect" in warning for warning in instance.run(run["id"])["warnings"])

    again = instance.api.post(f"/runs/{run['id']}/reruns", json={"scope": "whole"}).json()
    assert instance.wait_for(again["id"])["status"] == "completed"


def test_the_references_complete_example_is_started_over_the_api_as_it_stands(instance):
    pytest.importorskip("pandas")
    text = (TEXTS / "complete.txt").read_text(encoding="utf-8").replace("from stepwell", "from zenml")
    file = instance.commands.folder / "complete.py"
    file.write_text(f"from typing import Any\n\nimport pandas as pd\n\n{text}\n")
    numbers = instance.commands.folder / "numbers.csv"
    numbers.write_text("a,b\n1,2\n")
    instance.register(file)

    for pipeline in ("training_pipeline", "custom_pipeline"):
        run = instance.start(pipeline, parameters={"data_path": str(numbers)})
        assert instance.wait_for(run["id"])["status"] == "completed", instance.steps(run["id"])


PACKAGE = {
    "project/steps/__init__.py": "from steps.load import load\n",
    "project/steps/load.py": "from stepwell import step\nimport beside\n\n\n@step\ndef load(rows: int) -> list[int]:\n"
    "    return beside.first(rows)\n",
    "project/flows/__init__.py": "from .training import in_a_package\n",
    "project/flows/training.py": "from stepwell import pipeline\nfrom steps import load\nfrom .sizes import check\n\n\n"
    "@pipeline(enable_cache=False)\ndef in_a_package(rows: int = 3):\n    load(check(rows))\n",
    "project/flows/sizes.py": "def check(rows):\n    return rows\n",
    "project/beside.py": "def first(rows):\n    return list(range(rows))\n",
}


def test_a_file_inside_of_packages_runs_as_a_script_and_on_the_runner(instance):
    for name, text in PACKAGE.items():
        path = instance.commands.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    file = instance.commands.folder / "project/flows/training.py"

    done = instance.commands.stepwell("run", file, "-p", "rows=2")
    assert done.returncode == 0, told(done)
    instance.register(file)
    run = instance.start("in_a_package", parameters={"rows": 4})
    assert instance.wait_for(run["id"])["status"] == "completed", instance.steps(run["id"])
    script = instance.api.get("/runs", params={"pipeline": "in_a_package"}).json()["items"][-1]
    again = instance.api.post(f"/runs/{script['id']}/reruns", json={"scope": "whole"}).json()
    assert (script["trigger"], instance.wait_for(again["id"])["status"]) == ("script", "completed")


def test_a_rerun_of_a_scripts_run_keeps_what_its_configuration_file_said(instance):
    done = instance.commands.stepwell("run", "training.py")
    assert done.returncode == 0, told(done)
    run = next(found for found in instance.api.get("/runs").json()["items"] if found["trigger"] == "script")
    assert run["name"].startswith("nightly_red_20")

    rerun = instance.api.post(f"/runs/{run['id']}/reruns", json={"scope": "whole", "parameters": {"rows": 4}}).json()

    ended = instance.wait_for(rerun["id"])
    assert ended["status"] == "completed", instance.steps(rerun["id"])
    assert ended["parameters"] == {"rows": 4}
    assert "rate 0.5" in instance.log(rerun["id"], "train")
    assert instance.steps(rerun["id"])["train"]["options"]["enable_cache"] is False
    assert "training.yaml, line 10: steps.train.retyr is no option. Did you mean retry?" in ended["warnings"]


def test_a_run_name_is_taken_once(instance):
    first = instance.start("training", name="only-once")
    refused = instance.api.post("/pipelines/training/runs", json={"parameters": {}, "name": "only-once"})

    assert refused.status_code == 409
    assert f"taken by run #{first['number']}" in refused.json()["message"]
    instance.wait_for(first["id"])


@pytest.mark.parametrize(("parameters", "status"), [({}, "completed"), ({"fail": True}, "failed")])
def test_pipeline_hooks_run_around_the_steps(instance, parameters, status):
    run = instance.start("prepared", parameters=parameters)

    assert instance.wait_for(run["id"])["status"] == status
    assert "state 42" in instance.log(run["id"], "use")
    assert instance.log(run["id"], ":cleanup").count("disconnected :cleanup test") == 1


def test_a_cancelled_run_is_cleaned_up_before_it_ends(instance):
    run = instance.start("prepared", parameters={"seconds": 30})
    instance.wait_for_step(run["id"], "use", "running")
    instance.api.post(f"/runs/{run['id']}/cancellation")

    assert instance.wait_for(run["id"])["status"] == "cancelled"
    assert instance.steps(run["id"])[":cleanup"]["status"] == "completed"
    assert "disconnected" in instance.log(run["id"], ":cleanup")
