"""The complete examples of the reference, as they are written there but for the package's name, up to their plans."""

from __future__ import annotations

from typing import Any, Tuple  # noqa: UP035 - as in the reference

import pytest

from stepwell import pipeline, step
from stepwell.config.retry_config import StepRetryConfig
from stepwell.core import values
from stepwell.sdk import hooks
from stepwell.steps import BaseStep

pd = pytest.importorskip("pandas")


@step
def my_step(input_data: int) -> int:
    return input_data * 2


class MyStep(BaseStep):
    def entrypoint(self, input_data: int) -> int:
        return input_data * 2


@step(enable_cache=True, settings={"resources": {"cpu_count": 2}})
def load_data(data_path: str) -> pd.DataFrame:
    """Load data from a CSV file."""
    return pd.read_csv(data_path)


@step(retry=StepRetryConfig(max_retries=3, delay=60), enable_artifact_metadata=True)
def train_model(data: pd.DataFrame, learning_rate: float = 0.01) -> Tuple[Any, float]:  # noqa: UP006
    """Train a machine learning model."""
    model = ...
    accuracy = ...
    return model, accuracy


@pipeline
def training_pipeline(data_path: str, lr: float = 0.01):
    data = load_data(data_path=data_path)
    model, accuracy = train_model(data=data, learning_rate=lr)  # noqa: RUF059


custom_step = train_model.with_options(
    parameters={"learning_rate": 0.001},
    settings={"resources": {"gpu_count": 1}},
)


@pipeline
def custom_pipeline(data_path: str):
    data = load_data(data_path=data_path)
    model, accuracy = custom_step(data=data)  # noqa: RUF059


def on_failure_handler(exception: BaseException) -> None:
    """Called when step fails."""
    print(f"Step failed with: {exception}")


def on_success_handler() -> None:
    """Called when step succeeds."""
    print("Step completed successfully!")


@step(on_failure=on_failure_handler, on_success=on_success_handler)
def monitored_step() -> str:
    return "Success!"


def test_creating_steps_by_decorator_and_by_subclass() -> None:
    @pipeline
    def both() -> None:
        MyStep()(my_step(3))

    plan, _ = both.trace()

    assert [planned.name for planned in plan.steps] == ["my_step", "MyStep"]
    assert plan.steps[1].upstream == ["my_step"]
    assert (my_step.call_entrypoint(3), MyStep().call_entrypoint(4)) == (6, 8)


def test_configure() -> None:
    instance = train_model.with_options()
    instance.configure(enable_cache=False, parameters={"learning_rate": 0.95}, settings={"resources": {"cpu_count": 4}})

    assert instance.enable_cache is False
    assert instance.configuration.settings["resources"]["cpu_count"] == 4


def test_with_options_in_a_body() -> None:
    @pipeline
    def variants() -> None:
        my_step(input_data=1)
        my_step.with_options(enable_cache=False, name="my_step_no_cache")(input_data=1)

    plan, _ = variants.trace()

    assert [(planned.invocation_id, planned.options.enable_cache) for planned in plan.steps] == [
        ("my_step", True),
        ("my_step_no_cache", False),
    ]


def test_the_complete_example() -> None:
    plan, _ = training_pipeline.trace({"data_path": "data.csv", "lr": 0.1})
    loaded, trained = plan.steps

    assert loaded.options.settings == {"resources": {"cpu_count": 2}}
    assert loaded.docstring == "Load data from a CSV file."
    assert loaded.outputs[0].type == "pandas.DataFrame"
    assert (trained.options.retry.max_retries, trained.options.retry.delay) == (3, 60)
    assert [trained.options.retry.wait_before(retry) for retry in (1, 2, 3)] == [60, 60, 60]
    assert [output.name for output in trained.outputs] == ["output_0", "output_1"]
    assert values.decode(trained.inputs["learning_rate"].value) == 0.1
    assert loaded.source.resolve == trained.source.resolve == "import"


def test_the_custom_step_of_the_complete_example() -> None:
    plan, _ = custom_pipeline.trace({"data_path": "data.csv"})
    trained = plan.steps[1]

    assert values.decode(trained.inputs["learning_rate"].value) == 0.001
    assert trained.options.settings == {"resources": {"gpu_count": 1}}
    assert trained.options.retry.max_retries == 3
    assert (trained.source.resolve, trained.source.qualname) == ("import", "custom_step")


def test_the_hooks_example() -> None:
    plan, _ = pipeline(name="p")(lambda: monitored_step()).trace()

    planned = plan.steps[0].options.hooks
    assert hooks.load_hook("on_failure", planned.on_failure, owner="x") is on_failure_handler
    assert hooks.load_hook("on_success", planned.on_success, owner="x") is on_success_handler


def test_the_spec_says_what_a_run_needs() -> None:
    spec = training_pipeline.spec()

    assert spec.parameters_schema["required"] == ["data_path"]
    assert spec.parameters_schema["properties"]["lr"] == {"type": "number", "default": 0.01}
    assert spec.plan is None
    assert spec.source_code.startswith("@pipeline\ndef training_pipeline")
