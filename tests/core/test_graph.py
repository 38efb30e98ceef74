"""The order of steps."""

from __future__ import annotations

import pytest

from stepwell.core.graph import order
from stepwell.errors import GraphError


def test_order_follows_the_edges_and_otherwise_the_calls() -> None:
    assert order({"a": [], "b": ["d"], "c": [], "d": ["a"]}) == ["a", "c", "d", "b"]


def test_a_cycle_is_named_by_its_path() -> None:
    with pytest.raises(GraphError) as caught:
        order({"start": [], "a": ["start", "c"], "b": ["a"], "c": ["b"], "end": ["c"]})

    path = caught.value.details["path"]
    assert path[0] == path[-1]
    assert sorted(path[1:]) == ["a", "b", "c"]
    assert "b → c" in caught.value.message


def test_a_step_that_waits_for_itself_is_a_cycle() -> None:
    with pytest.raises(GraphError, match="a → a"):
        order({"a": ["a"]})


def test_an_unknown_step_is_named_with_its_nearest() -> None:
    with pytest.raises(GraphError, match=r"train waits for laod.*Did you mean load\?"):
        order({"load": [], "train": ["laod"]})


def test_a_chain_of_thousands_has_an_order() -> None:
    chain = {str(number): [str(number - 1)] if number else [] for number in range(5000)}

    assert order(chain) == list(chain)
