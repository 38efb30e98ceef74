"""The ways a step can be written, made and called."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Optional, Tuple  # noqa: UP035 - the reference writes Tuple

from driver import run_all

from stepwell import ArtifactConfig, BaseStep, Client, Tag, load_artifact, pipeline, save_artifact, step


def tell(value: object) -> None:
    print("told:", json.dumps(value))


@step
def number(value: int) -> int:
    return value


@step
def pair(value: int) -> Tuple[Annotated[int, "low"], Annotated[int, "high"]]:  # noqa: UP006
    return value, value + 1


@step
def named(value: int) -> tuple[Annotated[int, "first"], Annotated[str, "second"]]:
    return {"second": str(value), "first": value}  # type: ignore[return-value]


@step
async def later(value: int) -> int:
    return value * 10


@step
def only_by_name(value: int, /, *, factor: int = 2, offset: int) -> int:
    return value * factor + offset


class Scale(BaseStep):
    """Scales by what it was made with."""

    def __init__(self, k: int) -> None:
        self.k = k

    def entrypoint(self, value: int) -> int:
        return value * self.k


class Told(BaseStep):
    def entrypoint(self, value: Any) -> None:
        tell(value)


@step
def collect(items: list[Any], both: tuple[int, int], by_name: dict[str, Any]) -> None:
    tell({"items": items, "both": [type(both).__name__, *both], "by_name": by_name})


@step
def nested(value: int) -> int:
    return number(value) + named(value)["first"]  # type: ignore[index]


@step
def maybe(flag: bool) -> Optional[int]:  # noqa: UP045
    return 1 if flag else None


@step
def wide() -> float:
    return 3


@step
def unsaid(value: int):  # type: ignore[no-untyped-def]
    return {"got": value}


@step
def tagged() -> Annotated[int, ArtifactConfig(name="conform_score", tags=["best"], run_metadata={"unit": "points"})]:
    return 7


@step
def keeps_and_loads(name: str) -> int:
    load_artifact("conform_score")
    Client().get_artifact_version("conform_score").load()
    save_artifact(1, "conform_own")
    return load_artifact("conform_own")  # type: ignore[no-any-return]


@step
def nothing() -> None:
    print("nothing")


def made_here(k: int) -> BaseStep:
    @step
    def local(value: int) -> int:
        return value + k

    return local


@pipeline
def inner(value: int) -> Any:
    return number.with_options(name="inner_number")(value)


@pipeline(enable_cache=False, tags=["plain", Tag("cascades", cascade=True)])
def calls(start: int = 3):
    one = number(start)
    low, high = pair(one)
    first, second = named(one)
    collect([low, [high, 9], second], (low, high), {"a": first, "deep": {"b": [one]}, "plain": "x"})
    Told()(later(one), id="later_told")
    Told()(only_by_name(one, offset=1), id="by_name_told")
    Told()(Scale(5)(one), id="scaled_told")
    Told()(Scale(k=6)(one), id="scaled_again_told")
    Told()(nested(one), id="nested_told")
    Told()([maybe(True), maybe(False)], id="maybe_told")
    Told()(wide(), id="wide_told")
    Told()(unsaid(one), id="unsaid_told")
    Told()(made_here(100)(one), id="local_told")
    Told()(inner(value=8), id="inlined_told")
    tagged()
    keeps_and_loads("x", after="tagged")
    done = nothing(after=[one, "tagged"])
    number(1, after=done)
    number(2, id="chosen", after=nothing())


def numbers() -> Iterator[int]:
    yield from range(3)


@pipeline(enable_cache=False)
def many():
    outputs = [number(value) for value in numbers()]
    Told()(outputs, id="all_told")


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
