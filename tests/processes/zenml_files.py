"""Files as people have them for ZenML, and pipelines whose options come from elsewhere than their module."""

FILES = {
    "training.py": """
from typing import Annotated

from zenml import ArtifactConfig, get_step_context, pipeline, step
from zenml.config import DockerSettings
from zenml.config.retry_config import StepRetryConfig
from zenml.logger import get_logger

logger = get_logger(__name__)


@step(retry=StepRetryConfig(max_retries=1), settings={"docker": DockerSettings(requirements=["pandas"])})
def load(rows: int) -> Annotated[list[int], ArtifactConfig(name="rows_{team}")]:
    logger.info("loading %d rows", rows)
    return list(range(rows))


@step
def train(rows: list[int], rate: float = 0.1) -> float:
    print("run", get_step_context().pipeline_run.name, "rate", rate)
    return len(rows) * rate


@pipeline(substitutions={"team": "red"})
def training(rows: int = 3):
    train(load(rows))


if __name__ == "__main__":
    training.with_options(config_path="training.yaml")()
""",
    "prepared.py": """
import os
import time

from stepwell import get_step_context, pipeline, step


def connect():
    return {"answer": 42, "open": open(os.devnull)}


def disconnect():
    print("disconnected", get_step_context().step_name, os.environ["STAGE"])


@step(enable_cache=False)
def use(seconds: float) -> int:
    print("state", get_step_context().pipeline_state["answer"])
    time.sleep(seconds)
    return 1


@step
def broken(one: int) -> int:
    raise RuntimeError("it broke")


@pipeline(on_init=connect, on_cleanup=disconnect, environment={"STAGE": "test"})
def prepared(seconds: float = 0.0, fail: bool = False):
    made = use(seconds)
    if fail:
        broken(made)
""",
}
CONFIG = """
run_name: nightly_{team}_{date}
enable_cache: false
parameters:
  rows: 5
steps:
  train:
    parameters:
      rate: 0.5
    retyr: 1
"""
