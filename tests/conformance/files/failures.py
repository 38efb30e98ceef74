"""Steps that fail, each in its own way, beside each other."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import Annotated, Any

from driver import run_all

from stepwell import ArtifactConfig, StepRetryConfig, get_step_context, pipeline, step


class NotPicklable(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")


@step(retry=StepRetryConfig(max_retries=2, delay=0.6, backoff=2))
def waits() -> float:
    print("told:", json.dumps(time.time()))
    raise ValueError("never")


@step(retry=StepRetryConfig(max_retries=2, delay=0.4))
def waits_evenly() -> None:
    print("told:", json.dumps(time.time()))
    if get_step_context().step_run.attempt < 3:
        raise OSError("not yet")


@step(retry=StepRetryConfig(max_retries=3))
def leaves() -> None:
    sys.exit("leaving")


@step(retry=StepRetryConfig(max_retries=3))
def interrupted() -> None:
    raise KeyboardInterrupt


@step(retry=StepRetryConfig(max_retries=1), timeout=0.4)
def slow() -> None:
    time.sleep(60)


@step
def crashing() -> None:
    os.kill(os.getpid(), 11)


@step
def too_few() -> tuple[int, int, int]:
    return 1, 2  # type: ignore[return-value]


@step
def wrong_type() -> list[int]:
    return {"a": 1}  # type: ignore[return-value]


@step
def none_given() -> int:
    return None  # type: ignore[return-value]


@step
def something_given() -> None:
    return 3  # type: ignore[return-value]


@step
def unstorable() -> Any:
    return socket.socket()


@step
def versioned(value: int) -> Annotated[int, ArtifactConfig(name="conform_versioned", version="one")]:
    return value


@step
def takes(number: int) -> int:
    return number


@step
def odd_exception() -> None:
    raise NotPicklable(3, "odd")


@step
def good() -> int:
    return 1


@pipeline(enable_cache=False)
def failures(wrong: Any = "many"):
    waits()
    waits_evenly()
    leaves()
    interrupted()
    slow()
    crashing()
    too_few()
    wrong_type()
    none_given()
    something_given()
    unstorable()
    odd_exception()
    good()
    takes.with_options(name="below_failure")(good(after="wrong_type", id="skipped"))


@pipeline(enable_cache=False)
def duplicate_version():
    versioned(2, after=versioned(1))


@pipeline(enable_cache=False)
def first_exception():
    takes.with_options(name="below")(odd_number())


@step
def odd_number() -> int:
    raise LookupError("no odd number")


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
