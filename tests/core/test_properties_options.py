"""Merging layers of options, over generated options."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.core.options import merge

KEYS = st.sampled_from(["a", "b", "c"])
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        st.one_of(st.integers(0, 3), st.lists(st.integers(0, 3), max_size=2)),
        lambda inner: st.dictionaries(KEYS, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)
NAMES = st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=3)
POLICIES = st.dictionaries(st.sampled_from(["expires_after", "include_step_code"]), st.integers(0, 3), max_size=2)
LAYERS = st.fixed_dictionaries(
    {},
    optional={
        "extra": TREES,
        "settings": TREES,
        "environment": st.dictionaries(KEYS, st.text(max_size=2), max_size=3),
        "secrets": NAMES,
        "tags": NAMES,
        "enable_cache": st.booleans(),
        "on_failure": st.sampled_from(["a.b", "c.d"]),
        "retry": st.dictionaries(st.sampled_from(["max_retries", "delay"]), st.integers(1, 3), max_size=2),
        "cache_policy": POLICIES,
    },
)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of everything below ``tree`` that is no dict, and of empty dicts."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, tree


def at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def touches(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


@settings(max_examples=300, deadline=None)
@given(LAYERS, LAYERS)
def test_the_upper_layer_wins_and_all_it_does_not_touch_stays(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    joined = {"secrets", "tags"}
    result = merge(lower, upper)

    for path, value in leaves({name: value for name, value in upper.items() if name not in joined}):
        if path and value != {}:
            assert at(result, path) == value
    above = [path for path, _ in leaves(upper)]
    for path, value in leaves(lower):
        if path and not any(touches(path, other) for other in above):
            assert at(result, path) == value


@settings(max_examples=200, deadline=None)
@given(LAYERS, LAYERS)
def test_names_of_secrets_and_tags_add_up_once_each_in_order(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    result = merge(lower, upper)

    for name in ("secrets", "tags"):
        if name in lower or name in upper:
            assert result[name] == list(dict.fromkeys([*lower.get(name, []), *upper.get(name, [])]))


@settings(max_examples=200, deadline=None)
@given(LAYERS, LAYERS)
def test_merging_changes_neither_layer_and_nothing_of_an_empty_one(
    lower: dict[str, Any], upper: dict[str, Any]
) -> None:
    before = copy.deepcopy((lower, upper))
    merge(lower, upper)

    assert (lower, upper) == before
    assert merge(lower, {}) == lower
    assert merge({}, upper) == upper
    assert merge(upper, upper) == upper


@settings(max_examples=200, deadline=None)
@given(LAYERS, LAYERS)
def test_the_result_shares_no_dict_that_a_later_merge_would_change(
    lower: dict[str, Any], upper: dict[str, Any]
) -> None:
    result = merge(lower, upper)
    before = copy.deepcopy(result)
    merge(result, {"extra": {"a": {"b": 9}}, "environment": {"a": "9"}, "secrets": ["new"]})

    assert result == before


@settings(max_examples=100, deadline=None)
@given(POLICIES, st.sampled_from(["default", "no_cache"]))
def test_a_policy_with_a_name_is_replaced_and_replaces_whole(policy: dict[str, Any], name: str) -> None:
    named = {"cache_policy": {"name": name}}

    assert merge({"cache_policy": policy}, named) == named
    assert merge(named, {"cache_policy": policy}) == {"cache_policy": policy}
