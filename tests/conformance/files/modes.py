"""A failing step beside others, in each execution mode."""

from __future__ import annotations

import sys
import time

from driver import run_all

from stepwell import ExecutionMode, pipeline, step


@step
def fails(seconds: float) -> int:
    time.sleep(seconds)
    raise ValueError("failed on purpose")


@step
def runs(seconds: float) -> int:
    time.sleep(seconds)
    return 1


@step
def below(value: int) -> int:
    return value


def body(seconds: float) -> None:
    failed = fails(0.3)
    value = runs(seconds)
    below(failed, id="below_failed")
    below(below(value), id="below_good")


@pipeline(enable_cache=False)
def goes_on():
    body(0.8)


@pipeline(enable_cache=False, execution_mode=ExecutionMode.STOP_ON_FAILURE)
def stops():
    body(0.8)


@pipeline(enable_cache=False, execution_mode="fail_fast")
def fails_fast():
    body(30)


@pipeline(enable_cache=False)
def parallel():
    runs(0.7)
    runs(0.7)


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
