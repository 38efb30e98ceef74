"""Mistakes that are found before any step runs."""

from __future__ import annotations

import sys
from typing import Any

from driver import run_all

from stepwell import pipeline, step


@step
def pair() -> tuple[int, int]:
    return 1, 2


@step
def take(number: int) -> None: ...


@pipeline
def unpacks(count: int = 2):
    if count == 2:
        _first, _second = pair()
    else:
        _first, _second, _third = pair()


@pipeline
def circle(closed: bool = False):
    pair(id="a", after="b" if closed else None)
    pair(id="b", after="a")


@pipeline
def unfit(value: Any = 1):
    take(value)


@pipeline
def unknown_secret(name: str = "conformance"):
    pair.with_options(secrets=[name])()


@pipeline
def typed(count: int = 1):
    take(count)


@pipeline
def unknown_option(name: str = "timeout"):
    take.with_options(**{name: 5})(1)  # type: ignore[misc]


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
