"""The cache key and what it says of a miss."""

from __future__ import annotations

from stepwell.core.cachekey import compute_key, counted_inputs, explain, hash_part


def test_key_depends_on_every_part_and_input() -> None:
    keys = {
        compute_key({"code": "1"}, {"x": "1"}),
        compute_key({"code": "2"}, {"x": "1"}),
        compute_key({"code": "1"}, {"x": "2"}),
        compute_key({"code": "1"}, {"y": "1"}),
        compute_key({"code": "1", "x": "1"}, {}),
    }

    assert len(keys) == 5


def test_key_does_not_depend_on_the_order_of_parts() -> None:
    assert compute_key({"a": "1", "b": "2"}, {}) == compute_key({"b": "2", "a": "1"}, {})


def test_parts_of_different_type_differ() -> None:
    assert hash_part(1) != hash_part(1.0)


def test_a_miss_names_what_changed_parameters_first() -> None:
    said = explain({"code": "1", "parameter lr": "1"}, {"code": "2", "parameter lr": "2"})

    assert said == "parameter lr changed and code changed"


def test_a_miss_names_new_and_gone_parts() -> None:
    assert explain({"helper a": "1"}, {"helper b": "1"}) == "helper a is gone and helper b is new"


def test_many_changes_are_counted() -> None:
    said = explain({}, {f"parameter {name}": "1" for name in "abcde"})

    assert said == "parameter a is new, parameter b is new, parameter c is new and 2 more"


def test_no_change_is_said_too() -> None:
    assert explain({"code": "1"}, {"code": "1"}) == "no stored result has the same key"


def test_a_policy_decides_which_inputs_count_and_how() -> None:
    content, ids = {"a": "1", "b": "2"}, {"a": "x", "b": "y"}

    assert counted_inputs({"name": "default"}, content=content, ids=ids) == content
    assert counted_inputs({"ignored_inputs": ["a"]}, content=content) == {"b": "2"}
    assert counted_inputs({"include_artifact_values": False}, content=content, ids=ids) == {}
    assert counted_inputs({"include_artifact_ids": True}, content=content, ids=ids) == {"a": "1 x", "b": "2 y"}
