"""The reference's examples word for word, ``zenml`` and all, run by ``stepwell run`` without that package installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tests.commands import Instance, only, told

TEXTS = Path(__file__).parent / "texts"

pytestmark = pytest.mark.skipif(importlib.util.find_spec("zenml") is not None, reason="the real zenml is installed")


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    return Instance(folder=tmp_path)


def write(instance: Instance, name: str, *, before: str = "", after: str = "") -> str:
    """Write an example as the reference has it and return the file's name."""
    text = (TEXTS / f"{name}.txt").read_text(encoding="utf-8").replace("from stepwell", "from zenml")
    file = f"{name}_example.py"
    (instance.folder / file).write_text(f"{before}\n{text}\n{after}\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(("name", "step"), [("decorator", "my_step"), ("subclass", "MyStep")])
def test_a_file_that_only_defines_a_step_runs_it_with_the_parameters_given(
    instance: Instance, name: str, step: str
) -> None:
    done = instance.stepwell("run", write(instance, name), "-p", "input_data=21")

    assert done.returncode == 0, told(done)
    assert "zenml is not installed; this file runs on Stepwell in its place." in done.stderr
    run = only(instance.runs())
    assert (run["pipeline"], run["status"]) == (step, "completed")


def test_a_file_that_only_defines_a_step_needs_its_parameters(instance: Instance) -> None:
    done = instance.stepwell("run", write(instance, "decorator"))

    assert done.returncode == 2
    assert "Step my_step is called without input_data" in done.stderr


def test_the_step_with_hooks_runs_by_itself(instance: Instance) -> None:
    done = instance.stepwell("run", write(instance, "hooks", before="from zenml import step"))

    assert done.returncode == 0, told(done)
    assert "Step completed successfully!" in done.stdout


def test_the_step_varied_with_with_options_is_called_by_the_file_itself(instance: Instance) -> None:
    before = "from zenml import step\n@step\ndef my_step(data: int) -> int:\n    return data + 1\n\ninput_data = 41\n"
    done = instance.stepwell("run", write(instance, "with_options", before=before, after="print(original, variant)"))

    assert done.returncode == 0, told(done)
    assert "42 42" in done.stdout
    assert [run["pipeline"] for run in instance.runs()] == ["my_step_no_cache", "my_step"]


COMPLETE = "from typing import Any\n\nimport pandas as pd\n"
MAIN = """
if __name__ == "__main__":
    training_pipeline(data_path="numbers.csv")
    custom_pipeline(data_path="numbers.csv")
"""


def test_the_complete_example_runs_its_own_main_block(instance: Instance) -> None:
    done = instance.stepwell("run", write(instance, "complete", before=COMPLETE, after=MAIN))

    assert done.returncode == 0, told(done)
    assert [(run["pipeline"], run["status"]) for run in instance.runs()] == [
        ("custom_pipeline", "completed"),
        ("training_pipeline", "completed"),
    ]


def test_one_pipeline_of_the_complete_example_runs_by_name(instance: Instance) -> None:
    file = write(instance, "complete", before=COMPLETE, after=MAIN)
    done = instance.stepwell("run", file, "custom_pipeline", "-p", "data_path=numbers.csv")

    assert done.returncode == 0, told(done)
    assert only(instance.runs())["pipeline"] == "custom_pipeline"


def test_the_complete_example_is_registered_as_it_stands(instance: Instance) -> None:
    done = instance.stepwell("register", write(instance, "complete", before=COMPLETE))

    assert done.returncode == 0, told(done)
    assert "training_pipeline: code 1" in done.stdout
    assert json.loads(instance.stepwell("runs", "--json").stdout) == []


def test_a_project_that_uses_what_lies_around_steps_runs_as_it_is(instance: Instance) -> None:
    done = instance.stepwell("run", write(instance, "project"))

    assert done.returncode == 0, told(done)
    assert "all of it holds" in done.stdout
    assert {run["status"] for run in instance.runs()} == {"completed"}
