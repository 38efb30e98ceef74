"""The cache key over generated values: equal values share it, different ones never do."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

import stepwell
from stepwell.core.cachekey import compute_key, counted_inputs, hash_part

#: few and alike, so that a confusion of two of them is found
ALIKE = st.sampled_from(
    [
        *(0, False, 0.0, "", "0", b"", None, 1, True, 1.0, "1", b"1", "True", "None", (), "[]", "$", -0.0),
        *(Decimal(1), Decimal("1.0"), UUID(int=0), str(UUID(int=0)), Path("1"), datetime.date(2026, 1, 1)),
        *(
            "2026-01-01",
            datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
            frozenset(),
            {"$": "tuple", "v": []},
            {"$": "set", "v": [1]},
        ),
    ]
)
KEYS = st.sampled_from(["a", "b", "$", "v", "1", 1, (1,), None, ""])
NESTED = st.recursive(
    ALIKE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(KEYS, inner, max_size=2),
        st.frozensets(st.sampled_from([1, 2, "a", "1"]), max_size=2),
        st.sets(st.sampled_from([1, 2, "a", "1"]), max_size=2),
    ),
    max_leaves=5,
)
NAMES = st.text(alphabet="ab =,\x00:{}\"'", max_size=4)
PARTS = st.dictionaries(NAMES, NAMES, max_size=3)


def shape(value: Any) -> Any:
    """Return what tells values apart by type and content at every depth, and compares and hashes."""
    kind = type(value)
    if kind is dict:
        return kind, frozenset((shape(key), shape(item)) for key, item in value.items())
    if kind in (list, tuple):
        return kind, tuple(shape(item) for item in value)
    if kind in (set, frozenset):
        return kind, frozenset(shape(item) for item in value)
    return kind, repr(value)


@settings(max_examples=400, deadline=None)
@given(NESTED, NESTED)
def test_two_values_share_a_hash_exactly_when_they_are_equal_in_value_and_type(one: Any, other: Any) -> None:
    assert (hash_part(one) == hash_part(other)) is (shape(one) == shape(other))


@settings(max_examples=200, deadline=None)
@given(NESTED)
def test_the_order_of_keys_and_of_sets_does_not_count(value: Any) -> None:
    assert hash_part(turned(value)) == hash_part(value)


def turned(value: Any) -> Any:
    """Return an equal value, with dicts and sets filled in the other order."""
    if type(value) is dict:
        return {key: turned(item) for key, item in reversed(value.items())}
    if type(value) in (list, tuple):
        return type(value)(turned(item) for item in value)
    if type(value) in (set, frozenset):
        return type(value)(reversed(sorted(value, key=repr)))
    return value


@settings(max_examples=400, deadline=None)
@given(PARTS, PARTS, PARTS, PARTS)
def test_two_keys_are_equal_exactly_when_all_parts_and_inputs_are(
    parts: dict[str, str], inputs: dict[str, str], other_parts: dict[str, str], other_inputs: dict[str, str]
) -> None:
    are_equal = (parts, inputs) == (other_parts, other_inputs)

    assert (compute_key(parts, inputs) == compute_key(other_parts, other_inputs)) is are_equal


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(NAMES, NAMES, max_size=3), st.dictionaries(NAMES, NAMES, max_size=3), st.lists(NAMES, max_size=2)
)
def test_ignored_inputs_never_count_and_others_always_do(
    content: dict[str, str], ids: dict[str, str], ignored: list[str]
) -> None:
    counted = counted_inputs({"ignored_inputs": ignored}, content=content, ids=ids)

    assert counted == {name: value for name, value in content.items() if name not in ignored}


MANY = """
import datetime, json, random, sys
from decimal import Decimal
from stepwell.core.cachekey import hash_part

choose, shuffle = random.Random(7), random.Random(sys.argv[1])


def value(depth):
    kind = choose.randrange(8 if depth else 4)
    if kind == 0:
        return choose.choice([0, False, 0.0, "", b"", None, "a", 1.5, Decimal("1.10")])
    if kind == 1:
        return choose.randrange(10**6)
    if kind == 2:
        return str(choose.random())
    if kind == 3:
        return datetime.date(2026, 1, 1 + choose.randrange(28))
    items = [value(depth - 1) for _ in range(choose.randrange(4))]
    if kind == 4:
        return items
    if kind == 5:
        return tuple(items)
    if kind == 6:
        names = [f"k{choose.randrange(1000)}" for _ in range(4)]
        shuffle.shuffle(names)
        return set(names)
    pairs = [(f"k{number}", item) for number, item in enumerate(items)]
    shuffle.shuffle(pairs)
    return dict(pairs)


print(json.dumps([hash_part(value(4)) for _ in range(500)]))
"""


def test_processes_with_different_hash_seeds_agree_on_every_key() -> None:
    found = []
    for seed in ("1", "2", "12345"):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(stepwell.__file__).parents[1]),
            "PYTHONHASHSEED": seed,
        }
        done = subprocess.run(
            [sys.executable, "-c", MANY, seed], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        found.append(json.loads(done.stdout))

    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) > 300
