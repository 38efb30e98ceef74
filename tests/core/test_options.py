"""How layers of options merge."""

from __future__ import annotations

import pytest

from stepwell.core.options import PIPELINE_OPTIONS, STEP_OPTIONS, check_names, merge


def test_dicts_merge_at_every_depth_and_lists_inside_are_replaced() -> None:
    lower = {"settings": {"resources": {"cpu_count": 1, "memory": "1GB"}}, "extra": {"a": [1], "b": 1}}
    upper = {"settings": {"resources": {"cpu_count": 2}}, "extra": {"a": [2]}}

    assert merge(lower, upper) == {
        "settings": {"resources": {"cpu_count": 2, "memory": "1GB"}},
        "extra": {"a": [2], "b": 1},
    }


def test_merging_leaves_both_layers_as_they_were() -> None:
    lower = {"extra": {"a": {"b": 1}}, "secrets": ["x"]}

    merge(lower, {"extra": {"a": {"c": 2}}, "secrets": ["y"]})

    assert lower == {"extra": {"a": {"b": 1}}, "secrets": ["x"]}


def test_secrets_add_up_without_repetition() -> None:
    assert merge({"secrets": ["a", "b"]}, {"secrets": ["b", "c"]}) == {"secrets": ["a", "b", "c"]}


def test_hooks_are_replaced() -> None:
    assert merge({"on_failure": "a.b"}, {"on_failure": "c.d"}) == {"on_failure": "c.d"}


def test_a_named_cache_policy_is_replaced_whole() -> None:
    assert merge({"cache_policy": {"name": "no_cache"}}, {"cache_policy": {"expires_after": 5}}) == {
        "cache_policy": {"expires_after": 5}
    }
    assert merge({"environment": {"name": "x"}}, {"environment": {"A": "1"}}) == {
        "environment": {"name": "x", "A": "1"}
    }


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"Step a has no option retries\. Did you mean retry\?"):
        check_names(["retries"], STEP_OPTIONS, where="Step a")


def test_shared_options_are_in_both_lists_once() -> None:
    for names in (STEP_OPTIONS, PIPELINE_OPTIONS):
        assert len(names) == len(set(names))
    assert set(STEP_OPTIONS) - set(PIPELINE_OPTIONS) >= {"parameters", "timeout", "runtime", "group"}
