"""Encoding of parameter values."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import subprocess
import sys
from collections import Counter, OrderedDict, deque, namedtuple
from decimal import Decimal
from enum import Enum, StrEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.core import values
from stepwell.errors import UsageError

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.dates(),
    st.datetimes(),
    st.decimals(allow_nan=False),
    st.uuids(),
)
KEYS = st.one_of(st.text(max_size=3), st.integers(), st.tuples(st.integers(), st.text(max_size=2)), st.just("$"))
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=3),
        st.frozensets(st.integers(), max_size=3),
    ),
    max_leaves=8,
)


class Color(Enum):
    RED = 1


class Mode(StrEnum):
    FAST = "fast"


Point = namedtuple("Point", "x y")


@dataclasses.dataclass(frozen=True)
class Settings:
    rate: float
    tags: tuple[str, ...] = ()


def there_and_back(value: object) -> object:
    return values.decode(json.loads(json.dumps(values.encode(value), allow_nan=False)))


def same(left: object, right: object) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))  # type: ignore[arg-type]
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))  # type: ignore[attr-defined]
    return left == right if isinstance(left, frozenset) else repr(left) == repr(right)


@settings(max_examples=60, deadline=None)
@given(NESTED)
def test_a_value_comes_back_equal_and_of_equal_type(value: object) -> None:
    back = there_and_back(value)

    assert same(back, value)


@pytest.mark.parametrize(
    "value",
    [
        Color.RED,
        Mode.FAST,
        Point(1, (2,)),
        Settings(0.5, ("a",)),
        OrderedDict([("b", 1), ("a", 2)]),
        Counter("aab"),
        deque([1, 2]),
        {1, 2},
        Fraction(1, 3),
        Path("a/b"),
        range(1, 9, 2),
        complex(1, -2),
        bytearray(b"x"),
        datetime.timedelta(days=-1, microseconds=3),
        datetime.time(1, 2),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        math.inf,
        {"$": 1, "v": 2},
        {True: "yes", 2: [{"k": {3}}]},
    ],
)
def test_richer_values_come_back_too(value: object) -> None:
    back = there_and_back(value)

    assert type(back) is type(value)
    assert back == value


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2026, 7, 2, 3, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime.time(1, 2, tzinfo=ZoneInfo("Asia/Tokyo")),
        datetime.time(1, 2, fold=1),
        deque([1, (2,)], maxlen=3),
        PurePosixPath("a/b"),
        PureWindowsPath("a\\b"),
        Path("a/b"),
    ],
)
def test_what_equality_does_not_look_at_comes_back_too(value: object) -> None:
    assert repr(there_and_back(value)) == repr(value)


def test_a_time_zone_this_machine_does_not_have_leaves_the_offset() -> None:
    encoded = values.encode(datetime.datetime(2026, 7, 2, tzinfo=ZoneInfo("Europe/Berlin")))

    assert values.decode({**encoded, "v": [*encoded["v"][:2], "Mars/Base"]}).isoformat() == "2026-07-02T00:00:00+02:00"
    # As it was stored before it knew of time zones.
    assert values.decode({"$": "time", "v": "01:02:00"}) == datetime.time(1, 2)


class Order(pydantic.BaseModel):
    """Its validator takes text and gives a list, and its field has another name outside."""

    model_config = pydantic.ConfigDict(extra="allow")
    rows: list[int] = pydantic.Field(alias="Rows")
    limit: int = 5
    _seen: int = pydantic.PrivateAttr(default=0)

    @pydantic.field_validator("rows", mode="before")
    @classmethod
    def _split(cls, given: str) -> list[int]:
        return [int(part) for part in given.split(",")]


def test_a_model_comes_back_without_asking_its_validators() -> None:
    order = Order(Rows="1,2", note=(1, 2))  # type: ignore[call-arg]
    order._seen = 3
    back = there_and_back(order)

    assert back == order
    assert (back.rows, back.note, back._seen, back.model_fields_set) == ([1, 2], (1, 2), 3, {"rows", "note"})
    # A default that is given is equal to one that is not, and must not mean another result.
    given = Order(Rows="1,2", limit=5, note=(1, 2))  # type: ignore[call-arg]
    given._seen = 3
    assert values.canonical(given) == values.canonical(order)
    assert values.canonical(Order(Rows="1")) != values.canonical(Order(Rows="2"))


def test_nan_survives_json_without_nan() -> None:
    assert math.isnan(there_and_back(float("nan")))  # type: ignore[arg-type]


def test_numbers_of_numpy_keep_their_type() -> None:
    numpy = pytest.importorskip("numpy")

    assert type(there_and_back(numpy.float32(0.5))) is numpy.float32


@pytest.mark.parametrize("value", [object(), lambda: 1, type("Odd", (str,), {})("x"), [1, {"a": object()}]])
def test_what_cannot_be_stored_is_refused_by_type(value: object) -> None:
    with pytest.raises(UsageError, match="cannot be stored"):
        values.encode(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)

    with pytest.raises(UsageError, match="contains itself"):
        values.encode(loop)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        ([1], (1,)),
        ({1}, frozenset({1})),
        (None, "null"),
        ({"1": 0}, {1: 0}),
        (0.0, -0.0),
    ],
)
def test_values_of_different_type_have_different_bytes(left: object, right: object) -> None:
    assert values.canonical(left) != values.canonical(right)


def test_order_of_keys_and_of_sets_does_not_matter() -> None:
    assert values.canonical({"a": 1, "b": 2}) == values.canonical({"b": 2, "a": 1})
    assert values.canonical({1: 1, 2: 2}) == values.canonical({2: 2, 1: 1})
    assert values.canonical(Counter("ab")) == values.canonical(Counter("ba"))
    assert values.canonical(OrderedDict(a=1, b=2)) != values.canonical(OrderedDict(b=2, a=1))


def test_bytes_are_the_same_whatever_the_hash_seed() -> None:
    code = "from stepwell.core.values import canonical; print(canonical({'a', 'b', 'c', ('d', 1)}))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(Path(values.__file__).parents[2]), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=20,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(outputs) == 1


def test_classes_that_are_not_loaded_come_back_as_plain_content() -> None:
    assert values.decode({"$": "enum", "type": "gone:Color", "name": "RED", "v": 1}) == 1
    assert values.decode({"$": "dataclass", "type": "gone:Config", "v": {"rate": 1}}) == {"rate": 1}
    assert "gone" not in sys.modules


def test_decoding_calls_no_class_that_is_not_of_the_tags_kind() -> None:
    encoded = {"$": "dataclass", "type": "subprocess:Popen", "v": {"args": "true"}}

    assert values.decode(encoded) == {"args": "true"}
    assert values.decode({**encoded, "$": "model"}) == {"args": "true"}


@pytest.mark.parametrize(
    "encoded", [{"$": "nonsense"}, {"$": "uuid", "v": "x"}, {"$": "decimal", "v": "x"}, {"$": "set"}]
)
def test_damaged_values_are_refused(encoded: object) -> None:
    with pytest.raises(UsageError):
        values.decode(encoded)


def test_uuid_decimal_and_date_are_tagged() -> None:
    assert values.encode(UUID(int=1)) == {"$": "uuid", "v": "00000000-0000-0000-0000-000000000001"}
    assert values.encode(Decimal("1.50")) == {"$": "decimal", "v": "1.50"}
    assert values.encode(datetime.date(2026, 1, 2)) == {"$": "date", "v": "2026-01-02"}
