"""Every option of a step has the effect it is documented with."""

from __future__ import annotations

import json
import os
import sys

from driver import run_all

from stepwell import GroupInfo, Model, ResourceSettings, get_step_context, pipeline, step


def tell(value: object) -> None:
    print("told:", json.dumps(value))


@step(environment={"COUNT": 3, "FLAG": True, "BOTH": "step"}, secrets=["conformance"])
def environment() -> None:
    names = ("COUNT", "FLAG", "BOTH", "FROM_PIPELINE", "CONFORMANCE_KEY")
    tell({name: os.environ.get(name) and len(os.environ[name]) for name in names})
    tell({name: os.environ.get(name) for name in names[:-1]} | {"key": len(os.environ["CONFORMANCE_KEY"])})


@step
def other_environment() -> None:
    tell(sorted({"COUNT", "CONFORMANCE_KEY", "FROM_PIPELINE"} & set(os.environ)))


@step
def train(rate: float = 0.1, epochs: int = 5) -> float:
    tell([rate, epochs])
    return rate


@step(enable_step_logs=False)
def silent() -> int:
    print("this is kept nowhere")
    return 1


@step(settings={"resources": ResourceSettings(memory="300MB", cpu_count=1)})
def greedy() -> bool:
    try:
        bytearray(600 * 1024 * 1024)
    except MemoryError:
        return True
    raise AssertionError("600 MB were given where 300 are allowed")


@step(
    extra={"owner": {"team": "x"}},
    group=GroupInfo(id="g1", name="night", type="phase"),
    model=Model(name="churn", tags=["a"]),
    heartbeat_healthy_threshold=10,
    substitutions={"region": "eu"},
    step_type="trainer",
    runtime="isolated",
    timeout="10m",
    settings={"docker": {"parent_image": "x"}},
)
def recorded() -> None:
    """Does nothing, with many options."""


@step(group="night", heartbeat_healthy_threshold=1440)
def told_about() -> int:
    context = get_step_context()
    tell([context.pipeline.name, context.step_name, context.step_run.attempt, context.pipeline_run.number])
    return 1


@pipeline(enable_cache=False, environment={"FROM_PIPELINE": "1", "BOTH": "pipeline"}, extra={"owner": {"site": "y"}})
def options(rate: float = 0.5):
    environment()
    other_environment()
    configured = train.with_options(parameters={"rate": 0.7})
    configured(epochs=2)
    configured(rate=rate)
    train()
    silent()
    train.with_options(name="bare", enable_artifact_metadata=False)()
    greedy()
    recorded()
    told_about()


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
