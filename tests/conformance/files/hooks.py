"""Hooks of every kind, in the order and number they are promised."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from typing import Annotated

from driver import run_all

from stepwell import ArtifactConfig, StepRetryConfig, get_step_context, pipeline, step


def started() -> None:
    print("hook: start", get_step_context().step_run.attempt)


def ended(exception: BaseException | None) -> None:
    print("hook: end", repr(exception))


def ended_plainly() -> None:
    print("hook: end without argument")


def succeeded() -> None:
    print("hook: success")


def failed(exception: BaseException) -> None:
    print("hook: failure", repr(exception))


def failed_plainly() -> None:
    print("hook: failure without argument")


def keyword(exception: BaseException, *, word: str) -> None:
    print("hook:", word, exception)


def broken() -> None:
    raise RuntimeError("the hook itself is broken")


def dies() -> None:
    os._exit(7)


class Notifier:
    def __init__(self, word: str) -> None:
        self.word = word

    def notify(self, exception: BaseException) -> None:
        print("hook: bound", self.word, exception)

    def __call__(self) -> None:
        print("hook: callable", self.word)


def local_hook(word: str) -> Callable[[], None]:
    def hook() -> None:
        print("hook: local", word)

    return hook


@step(on_start=started, on_end=ended, on_success=succeeded, on_failure=failed)
def good() -> int:
    print("body")
    return 1


@step(on_start=started, on_end=ended, on_success=succeeded, on_failure=failed, retry=StepRetryConfig(max_retries=2))
def bad() -> int:
    attempt = get_step_context().step_run.attempt
    print("body")
    raise ValueError(f"attempt {attempt}")


@step(on_start=started, on_end=ended, on_success=succeeded, on_failure=failed, retry=StepRetryConfig(max_retries=2))
def recovers() -> int:
    if get_step_context().step_run.attempt < 2:
        raise ValueError("once")
    return 1


@step(on_success=succeeded, on_failure=failed)
def wrong_output() -> int:
    return "text"  # type: ignore[return-value]


@step(on_end=ended, on_success=succeeded, on_failure=failed, retry=StepRetryConfig(max_retries=2))
def taken_version() -> Annotated[int, ArtifactConfig(name="hooks_taken_{time}", version="one")]:
    return 1


@step
def passes() -> int:
    return 1


@step
def raises() -> int:
    raise ValueError("no")


@step(on_failure=failed)
def crashes() -> None:
    os._exit(9)


@step(on_failure=failed, timeout=0.3)
def too_slow() -> None:
    time.sleep(30)


@step(on_success=succeeded, on_start=started, on_end=ended, enable_cache=True)
def reused(salt: str) -> int:
    return 1


@pipeline(enable_cache=False)
def hooks():
    good()
    bad()
    recovers()
    wrong_output()
    taken_version(id="refused", after=taken_version(id="stored"))
    passes.with_options(name="with_lambda", on_success=lambda: print("hook: lambda"))()
    passes.with_options(name="with_local", on_success=local_hook("inner"))()
    passes.with_options(name="with_callable", on_success=Notifier("called"))()
    passes.with_options(name="with_dotted", on_success="hooks.succeeded")()
    passes.with_options(name="with_end", on_end=ended_plainly)()
    raises.with_options(name="with_bound", on_failure=Notifier("method").notify)()
    raises.with_options(name="with_partial", on_failure=functools.partial(keyword, word="partial"))()
    raises.with_options(name="without_argument", on_failure=failed_plainly)()
    passes.with_options(name="with_broken", on_success=broken, on_end=ended)()
    passes.with_options(name="with_death", on_success=dies)()
    crashes()
    too_slow()
    passes.with_options(name="after_bad", on_success=succeeded)(after="bad")


@pipeline(enable_cache=False, on_success=succeeded, on_failure=failed)
def hooked_pipeline():
    passes()
    raises()
    passes.with_options(name="own", on_success=ended_plainly)()


@pipeline
def hooks_of_cached(salt: str):
    reused(salt)


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
