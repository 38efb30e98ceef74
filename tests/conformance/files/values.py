"""Values that leave a step and come back equal, of the same type; and materializers of one's own."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import os
import sys
from collections import Counter, OrderedDict, defaultdict, namedtuple
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from driver import run_all

from stepwell import BaseMaterializer, HTMLString, JSONString, MarkdownString, pipeline, step

Point = namedtuple("Point", "x y")


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Box:
    size: int
    inner: Any = None


VALUES: dict[str, Any] = {
    "numbers": [0, -1, 2**70, 1.5, True, None],
    "text": "grüße\n\u2028",
    "bytes": b"\x00\xff",
    "nested": {"a": [(1, (2, [3])), {4}, frozenset({5})], "b": {"c": {}}},
    "tuple_keys": {(1, 2): "x", 3: "y", None: "z", True: "t"},
    "namedtuple": [Point(1, 2), Point(x=(1,), y={})],
    "ordered": OrderedDict(b=1, a=2),
    "default": defaultdict(list, {"k": [1]}),
    "counter": Counter("aab"),
    "dataclass": Box(1, Box(2, [Color.RED])),
    "enum": Color.RED,
    "decimal": [Decimal("1.10"), Decimal("NaN")],
    "times": [datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC), datetime.date(2026, 1, 2), datetime.timedelta(1)],
    "uuid": UUID(int=7),
    "path": Path("a/b"),
    "empty": [[], {}, (), set(), ""],
}


@step
def make(name: str) -> Any:
    return VALUES[name]


@step
def check(name: str, value: Any) -> None:
    expected = VALUES[name]
    assert type(value) is type(expected), f"{name}: {type(value)} is not {type(expected)}"
    assert repr(value) == repr(expected), f"{name}: {value!r} is not {expected!r}"


@step
def passed(value: Any, name: str) -> None:
    assert repr(value) == repr(VALUES[name]), f"{name} as a parameter: {value!r}"


@step
def grow(data: list[int]) -> int:
    data.append(99)
    return len(data)


@step
def length(data: list[int], after_growing: int) -> None:
    assert (len(data), after_growing) == (2, 3), data


@step
def small() -> list[int]:
    return [1, 2]


@pipeline(enable_cache=False)
def values():
    for name in VALUES:
        check(name, make(name), id=f"check_{name}")
    for name in ("numbers", "nested", "tuple_keys", "namedtuple", "enum", "uuid", "times", "path"):
        passed(VALUES[name], name, id=f"passed_{name}")
    data = small()
    length(data, grow(data))


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


class CelsiusMaterializer(BaseMaterializer):
    ASSOCIATED_TYPES = (Celsius,)

    def save(self, data: Celsius) -> None:
        self.file("celsius.txt").write_text(str(data.degrees))

    def load(self, data_type: type[Any]) -> Celsius:
        return Celsius(float(self.file("celsius.txt").read_text()))

    def save_visualizations(self, data: Celsius) -> dict[str, Any]:
        self.file("shown.html").write_text("<p>warm</p>")
        return {os.path.join(self.uri, "shown.html"): "html"}

    def extract_metadata(self, data: Celsius) -> dict[str, Any]:
        return {"degrees": data.degrees}


class TextMaterializer(BaseMaterializer):
    ASSOCIATED_TYPES = (dict,)
    SKIP_REGISTRATION = True

    def save(self, data: Any) -> None:
        self.file("own.txt").write_text(json.dumps(data))

    def load(self, data_type: type[Any]) -> Any:
        return json.loads(self.file("own.txt").read_text())


@step
def warm() -> Celsius:
    return Celsius(21.5)


@step
def both_kinds() -> tuple[dict[str, int], dict[str, int]]:
    return {"a": 1}, {"b": 2}


@step
def plain() -> dict[str, int]:
    return {"a": 1}


@step
def read(value: Any) -> None:
    assert value.degrees == 21.5 if isinstance(value, Celsius) else value in ({"a": 1}, {"b": 2}), value


@step
def strings() -> tuple[HTMLString, MarkdownString, JSONString]:
    return HTMLString("<b>x</b>"), MarkdownString("# x"), JSONString('{"x": 1}')


@pipeline(enable_cache=False)
def materializers():
    read(warm())
    read(plain.with_options(output_materializers=TextMaterializer)(id="by_class"))
    read(plain.with_options(output_materializers="values.TextMaterializer")(id="by_name"))
    read(plain.with_options(output_materializers=[CelsiusMaterializer, TextMaterializer])(id="by_list"))
    for output in both_kinds.with_options(output_materializers={"output_1": TextMaterializer})(id="by_output"):
        read(output)
    strings()
    warm.with_options(enable_artifact_visualization=False)(id="unseen")


if __name__ == "__main__":
    run_all(globals(), sys.argv[1])
