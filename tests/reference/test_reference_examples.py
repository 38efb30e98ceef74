"""The complete examples of the reference, word for word but for the package's name, run as scripts.

Each gets the lines its text takes for granted before it (a data frame library, a step to vary) and, where it only
defines something, the call after it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Instance, only, told

TEXTS = Path(__file__).parent / "texts"


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    return Instance(folder=tmp_path)


def run_example(instance: Instance, name: str, *, before: str = "", after: str = "") -> str:
    """Run the example between ``before`` and ``after`` and return what it printed."""
    script = instance.folder / f"{name}_example.py"
    text = (TEXTS / f"{name}.txt").read_text(encoding="utf-8")
    script.write_text(f"{before}\n\n{text}\n\n{after}\n", encoding="utf-8")
    done = instance.python(script)
    assert done.returncode == 0, told(done)
    return done.stdout


def test_step_made_with_the_decorator(instance: Instance) -> None:
    printed = run_example(instance, "decorator", after='print("result", my_step(input_data=21))')

    assert "result 42" in printed
    assert only(instance.runs())["status"] == "completed"


def test_step_made_as_a_subclass(instance: Instance) -> None:
    printed = run_example(
        instance, "subclass", after='print("result", MyStep()(input_data=21)); print("name", MyStep().name)'
    )

    assert "result 42" in printed
    assert "name MyStep" in printed
    assert only(instance.runs())["status"] == "completed"


def test_step_varied_with_with_options(instance: Instance) -> None:
    printed = run_example(
        instance,
        "with_options",
        before=(
            "from stepwell import step\n\n\n"
            "@step\ndef my_step(data: int) -> int:\n    return data + 1\n\n\ninput_data = 41\n"
        ),
        after='print("results", original, variant)',
    )

    assert "results 42 42" in printed
    variant, original = instance.runs()
    assert (original["pipeline"], variant["pipeline"]) == ("my_step", "my_step_no_cache")
    assert {original["status"], variant["status"]} == {"completed"}


def test_complete_example_with_both_pipelines(instance: Instance) -> None:
    """Its ``model = ...`` and ``accuracy = ...`` stand for code to come: as values they are Ellipsis, and stored."""
    run_example(
        instance,
        "complete",
        before="from typing import Any\n\nimport pandas as pd\n",
        after=(
            'if __name__ == "__main__":\n'
            '    training_pipeline(data_path="numbers.csv")\n'
            '    custom_pipeline(data_path="numbers.csv")\n'
        ),
    )

    custom, training = instance.runs()
    assert (training["pipeline"], custom["pipeline"]) == ("training_pipeline", "custom_pipeline")
    assert (training["status"], custom["status"]) == ("completed", "completed")


def test_complete_example_passes_the_parameter_of_with_options(instance: Instance) -> None:
    before = "from typing import Any\n\nimport pandas as pd\n"
    after = 'print("rate", custom_step.configuration.parameters["learning_rate"], train_model.configuration.parameters)'

    assert "rate 0.001 {}" in run_example(instance, "complete", before=before, after=after)


@pytest.mark.parametrize(
    ("name", "pipeline", "steps"),
    [
        ("submit", "dynamic_pipeline", {"process_data": 2, "process_data_2": 4}),
        (
            "map",
            "map_pipeline",
            {"create_data": [1, 2, 3], "map:process:0": 2, "map:process:1": 4, "map:process:2": 6},
        ),
        (
            "product",
            "product_pipeline",
            {
                "create_numbers": [1, 2],
                "create_letters": ["a", "b"],
                "map:combine:0": "1a",
                "map:combine:1": "1b",
                "map:combine:2": "2a",
                "map:combine:3": "2b",
            },
        ),
    ],
)
def test_dynamic_example_runs_without_saying_dynamic(
    instance: Instance, name: str, pipeline: str, steps: dict[str, object]
) -> None:
    after = f"run = {pipeline}()\nprint({{name: outputs['output'].load() for name, outputs in run.outputs.items()}})"

    printed = run_example(instance, name, before="from stepwell import pipeline, step\n", after=after)

    assert str(steps) in printed
    assert only(instance.runs())["status"] == "completed"


def test_step_with_hooks(instance: Instance) -> None:
    printed = run_example(
        instance, "hooks", before="from stepwell import step\n", after='print("result", monitored_step())'
    )

    assert "Step completed successfully!" in printed
    assert "Step failed with" not in printed
    assert "result Success!" in printed


def test_failing_step_calls_the_failure_hook_with_the_exception(instance: Instance) -> None:
    script = instance.folder / "failing.py"
    text = (TEXTS / "hooks.txt").read_text(encoding="utf-8")
    broken = text.replace('return "Success!"', 'raise RuntimeError("no disk left")')
    script.write_text(f"from stepwell import step\n\n{broken}\n\nmonitored_step()\n", encoding="utf-8")

    done = instance.python(script)

    assert done.returncode == 1, told(done)
    assert done.stdout.count("Step failed with: no disk left") == 1, told(done)
    assert "Step completed successfully!" not in done.stdout
    assert "RuntimeError: no disk left" in done.stderr
    assert only(instance.runs())["status"] == "failed"
