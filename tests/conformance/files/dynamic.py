"""Dynamic pipelines: fan-out, futures, failures, child pipelines, inline steps, hooks, limits."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

from driver import run_all

from stepwell import BaseStep, pipeline, step, unmapped
from stepwell.errors import StepExecutionException


def tell(value: object) -> None:
    print("told:", json.dumps(value))


#: read here, as each step has a folder for temporary files of its own
GATES = tempfile.gettempdir()


@step
def numbers(n: int) -> list[int]:
    return list(range(n))


@step
def double(value: int) -> int:
    return value * 2


@step
def add(left: int, right: int) -> int:
    return left + right


@step
def total(values: list, more: dict, both: tuple) -> int:
    return sum(values) + more["x"] + sum(both)


@step
def pair(value: int) -> tuple[Annotated[int, "low"], Annotated[int, "high"]]:
    return value - 1, value + 1


@step
def scale(values: list[int], by: int) -> list[int]:
    return [value * by for value in values]


@step
def passes(gate: str, value: int) -> int:
    """Wait until there is a file of this name."""
    while not Path(GATES, gate).exists():
        time.sleep(0.01)
    return value


@step
def fails(value: int = 0) -> int:
    if value == 0:
        raise KeyError("on purpose")
    return value


@step
def quick(value: int) -> int:
    return value


@step
def slow(seconds: float, value: int = 0) -> int:
    time.sleep(seconds)
    return value


@step
def nothing() -> None:
    pass


class Power(BaseStep):
    def __init__(self, exponent: int) -> None:
        super().__init__()
        self.exponent = exponent

    def entrypoint(self, value: int) -> int:
        return value**self.exponent


@pipeline(enable_cache=False)
def fan_out():
    source = numbers(3)
    mapped = double.map(value=source)
    again = add.map(left=mapped, right=[10, 20, 30])
    shared = scale.map(values=unmapped([1, 2]), by=source)
    product = add.product(left=[1, 2], right=source)
    empty = double.map(value=[])
    pairs = pair.map(value=(5, 6))
    low, high = pairs.unpack()
    highs = double.map(value=high)
    tell(
        {
            "mapped": mapped.load(),
            "again": again.load(),
            "shared": shared.load(),
            "product": product.load(),
            "empty": [empty.load(), len(empty)],
            "low": [one.load() for one in low],
            "highs": highs.load(),
            "slice": [future.load() for future in again[1:]],
            "n": len(source.load()),
        }
    )


@pipeline(enable_cache=False)
def futures(gate: str):
    first = quick.submit(1, id="first")
    waiting = passes.submit(gate, value=4, after=[first])
    was_running = waiting.running()
    Path(GATES, gate).touch()
    both = pair.submit(waiting)
    low, high = both
    summed = total(values=[first, low], more={"x": high}, both=(first, waiting))
    after = nothing.submit(after=summed)
    failed = fails.submit()
    loose = quick.submit(7, start_after=failed)
    with contextlib.suppress(KeyError):
        failed.result()
    made_here = 100

    @step
    def local(value: int) -> int:
        return value + made_here

    varied = double.with_options(name="varied", environment={"A": "1"})
    power = Power(3)
    told = {
        "was_running": was_running,
        "summed": summed.load(),
        "names": [both.get_artifact("low").load(), both["high"].load(), len(both), both[0:1][0].load()],
        "local": local(1).load(),
        "varied": varied.submit(4).load(),
        "power": power.submit(2).load(),
        "after": [after.wait(), after.running(), after.load()],
        "loose": loose.load(),
    }
    tell(told)
    return summed


@pipeline(enable_cache=False)
def failing():
    caught = []
    try:
        fails()
    except KeyError as exc:
        caught.append([type(exc).__name__, exc.args[0]])
    future = fails.submit()
    fed = double.submit(future)
    try:
        fed.result()
    except StepExecutionException as exc:
        caught.append([type(exc).__name__, type(exc.__cause__).__name__])
    try:
        future.load()
    except KeyError as exc:
        caught.append([type(exc).__name__, exc.args[0]])
    mapped = fails.map(value=[1, 0, 2])
    try:
        mapped.load()
    except KeyError as exc:
        caught.append([type(exc).__name__, [one.running() for one in mapped]])
    caught.append([mapped[0].load(), mapped[2].load()])
    tell(caught)


@pipeline(enable_cache=False)
def unawaited():
    fails.submit()
    quick.submit(1)


@pipeline(enable_cache=False, execution_mode="continue_on_failure")
def tolerant():
    fails.submit()
    quick.submit(1)


@pipeline(enable_cache=False)
def raising():
    waits = slow.submit(0.5)
    quick.submit(waits)
    raise RuntimeError("the body")


@pipeline(enable_cache=False, execution_mode="fail_fast")
def failing_fast():
    slow.submit(30)
    fails.submit()
    try:
        slow(30, id="never")
    except Exception as exc:
        print("swallowed", exc)
    quick(1)


@pipeline(enable_cache=False)
def child_static(n: int = 2):
    return double(n)


@pipeline(enable_cache=False)
def child_dynamic(n: int):
    found = double.submit(n).load()
    return found, quick(n)


@pipeline(enable_cache=False)
def child_failing():
    fails.submit()


@pipeline(enable_cache=False, dynamic=True)
def embedded(n: int):
    return quick(n)


@pipeline(enable_cache=False)
def parents():
    start = quick(3)
    done = child_static(n=5)
    future = child_dynamic.submit(n=start)
    inside = embedded.embed(start)
    told = {"static": done.load(), "embedded": inside.load()}
    plain, artifact = future.result()
    told["dynamic"] = [plain, artifact.load(), double(artifact).load(), future.running()]
    try:
        child_failing()
    except StepExecutionException as exc:
        told["failing"] = [type(exc).__name__, type(exc.__cause__).__name__]
    tell(told)


@step(settings={"concurrency": 2})
def limited(value: int) -> float:
    began = time.time()
    time.sleep(0.25)
    return [began, time.time()][value * 0]


@pipeline(enable_cache=False)
def limits():
    limited.map(value=[0, 1, 2, 3])


@step(runtime="inline", environment={"INLINE": "yes"})
def inline(value: int) -> list:
    return [os.getpid(), os.environ["INLINE"], value]


@step(runtime="inline")
def inline_fails() -> int:
    raise LookupError("inline")


@pipeline(enable_cache=False)
def inlines():
    found = inline(double.submit(1)).load()
    many = inline.map(value=[1, 2]).load()
    try:
        inline_fails()
        caught = ""
    except LookupError as exc:
        caught = str(exc)
    tell([found[0] == os.getpid(), found[1:], [one[2] for one in many], os.environ.get("INLINE"), caught])


@step
def submits() -> int:
    return double.submit(1).load()


@pipeline(enable_cache=False)
def mistakes():
    told = []

    def note(call) -> None:
        try:
            call()
        except Exception as exc:
            told.append(f"{type(exc).__name__}: {exc}")
        else:
            told.append("")

    note(lambda: add.map(left=[1, 2], right=[1, 2, 3]))
    note(lambda: add.map(left=1, right=2))
    note(lambda: double.submit(pair.submit(1)))
    note(lambda: double.submit(1, after="numbers"))
    note(lambda: double.submit(valu=1))
    note(submits)
    thread = threading.Thread(target=lambda: note(lambda: double.submit(1)))
    thread.start()
    thread.join()
    tell(told)


def said(what: str):
    def hook() -> None:
        print("hook", what)

    return hook


@pipeline(enable_cache=False, on_start=said("start"), on_success=said("success"), on_failure=said("failure"))
def hooked():
    double.map(value=[1, 2]).load()


@pipeline
def cached(salt: str):
    tell([double.map(value=[len(salt), 2]).load(), numbers(2).load()])


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
