"""Generated values through materializers, artifact store and step processes, and through a step's parameters."""

from __future__ import annotations

import datetime
import tempfile
from collections import Counter, OrderedDict, deque
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepwell import pipeline, step
from stepwell.core import values
from stepwell.core.cachekey import compute_key
from stepwell.sdk.local import load_stored
from stepwell.sdk.materializers import storing
from tests.sdk.childkit import parameters, run_step, stored

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, datetime.UTC])),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.uuids(),
    st.just(Path("a/b")),
    st.just(range(3)),
)
KEYS = st.one_of(
    st.text(max_size=2), st.integers(), st.booleans(), st.none(), st.tuples(st.integers(), st.text(max_size=1))
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=2).map(OrderedDict),
        st.sets(st.integers(), max_size=3),
        st.frozensets(st.text(max_size=2), max_size=3),
        st.lists(inner, max_size=2).map(deque),
        st.lists(st.sampled_from("ab"), max_size=3).map(Counter),
    ),
    max_leaves=8,
)
SLOW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of equal type at every depth, dicts in equal order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return [shape(item) for item in one.items()] == [shape(item) for item in other.items()]
    return bool(shape(one) == shape(other))


def shape(value: Any) -> Any:
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | deque):
        return kind, [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(repr(item) for item in value)
    return kind, repr(value)


@step
def hand_on(value: Any) -> Any:
    return value


@SLOW
@given(NESTED)
def test_a_stored_value_loads_equal_and_of_equal_type(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        saved = storing.save(value, Path(folder))
        loaded = storing.load(Path(folder), materializer=saved.materializer, type_name=saved.type)

    assert same(loaded, value), loaded


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NESTED)
def test_a_value_passes_through_two_steps_as_parameter_output_and_input(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        first = run_step(hand_on, root, inputs=parameters(value=value)).result["outputs"][0]
        second = run_step(hand_on, root, inputs={"value": stored(first)}, output_folder="run/second/1").result
        loaded = load_stored(stored(second["outputs"][0]), root)

    assert same(loaded, value), loaded


@SLOW
@given(NESTED)
def test_a_value_in_a_plan_is_the_value_that_was_passed(value: Any) -> None:
    @pipeline
    def p() -> None:
        hand_on(value)

    plan, _ = p.trace()

    assert same(values.decode(plan.steps[0].inputs["value"].value), value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NESTED, NESTED)
def test_steps_share_a_key_exactly_when_their_parameters_are_equal(one: Any, other: Any) -> None:
    keys = []
    for value in (one, other):

        @pipeline
        def p() -> None:
            hand_on(value)  # noqa: B023 - traced within the loop

        plan, _ = p.trace()
        keys.append(compute_key(plan.steps[0].cache_parts, {}))

    assert (keys[0] == keys[1]) is (unordered(one) == unordered(other))


def unordered(value: Any) -> Any:
    """Return the shape of a value where the order of a plain dict's keys does not count."""
    kind = type(value).__name__
    if type(value) in (dict, Counter):
        return kind, frozenset((unordered(key), unordered(item)) for key, item in value.items())
    if isinstance(value, dict):
        return kind, tuple((unordered(key), unordered(item)) for key, item in value.items())
    if isinstance(value, list | tuple | deque):
        return kind, tuple(unordered(item) for item in value)
    if isinstance(value, set | frozenset):
        return kind, frozenset(repr(item) for item in value)
    return kind, repr(value)
