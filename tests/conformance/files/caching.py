"""What makes a step run again, and what does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from driver import run_all

from stepwell import CachePolicy, StepRetryConfig, pipeline, step


@step
def make(salt: str, value: int = 1) -> list[Any]:
    return [value, salt]


@step
def fresh(salt: str, value: int = 1) -> list[Any]:
    return [value, salt]


@step
def use(data: list[Any], rate: float = 0.1) -> float:
    return data[0] * rate


def counted() -> Any:
    return Path(__file__).with_name("counted.txt").read_text() if os.path.exists("counted.txt") else 0


def helper() -> int:
    return 3


@step
def with_helper(salt: str) -> int:
    return helper()


def policy(**fields: Any) -> Any:
    return use.with_options(cache_policy=CachePolicy(**fields))


@pipeline
def caching(salt: str, value: int = 1, rate: float = 0.1):
    data = make(salt, value)
    use(data, rate, id="plain")
    policy(include_step_parameters=False)(data, rate, id="without_parameters")
    policy(ignored_inputs=["rate"])(data, rate, id="ignoring_rate")
    policy(include_artifact_values=False)(data, 0.5, id="without_values")
    policy(ignored_inputs=["data"])(data, 0.6, id="ignoring_data")
    policy(expires_after=0)(data, 0.7, id="expired")
    policy(cache_func=counted)(data, 0.75, id="with_function")
    policy(file_dependencies=["driver.py"], source_dependencies=[helper])(data, 0.8, id="with_files")
    use.with_options(enable_cache=False)(data, 0.85, id="off")
    use.with_options(cache_policy="no_cache")(data, 0.9, id="no_cache")
    use.with_options(cache_policy="default")(data, 0.95, id="default_policy")
    again = fresh.with_options(enable_cache=False)(salt, value)
    policy(include_artifact_ids=True)(again, 0.2, id="by_version")
    use(again, 0.25, id="by_content")
    with_helper(salt)


@pipeline
def options_do_not_count(salt: str, retries: int = 1, word: str = "a"):
    changed = make.with_options(
        retry=StepRetryConfig(max_retries=retries),
        extra={"word": word},
        group=word,
        timeout=retries * 100,
        heartbeat_healthy_threshold=retries,
        on_success=lambda: print(word),
        settings={"resources": {"cpu_count": retries}},
    )
    changed(f"{salt} options", id=f"made_{word}")


@pipeline
def environment_counts(salt: str, word: str = "a"):
    make.with_options(environment={"WORD": word})(f"{salt} environment")


@pipeline(enable_cache=False)
def off_by_pipeline(salt: str):
    make(f"{salt} off")
    make.with_options(enable_cache=True)(f"{salt} on", id="on_by_step")


@pipeline(cache_policy=CachePolicy(expires_after=0))
def policy_by_pipeline(salt: str):
    make.with_options(cache_policy=CachePolicy(include_step_code=False))(f"{salt} policy", id="takes_over")
    make.with_options(cache_policy=CachePolicy(expires_after=3600))(f"{salt} policy", id="sets_its_own")


@pipeline
def shared_with_the_other_place():
    make("shared by script and runner")


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
