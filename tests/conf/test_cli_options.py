"""``NAME=VALUE`` words become typed parameters and step options, or an error that names the word."""

from __future__ import annotations

import pytest

from stepwell.conf.cli_options import read_overrides, read_parameters
from stepwell.core.plan import Retry, StepOptions
from stepwell.errors import UsageError

SCHEMA = {
    "type": "object",
    "properties": {
        "rows": {"type": "integer", "default": 10},
        "rate": {"type": "number"},
        "name": {"type": "string"},
        "fast": {"type": "boolean", "default": True},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    },
    "required": ["rate"],
    "additionalProperties": False,
}
PLANNED = {
    "train": StepOptions(
        retry=Retry(max_retries=1, delay=5, backoff=2), environment={"A": "1"}, settings={"resources": {"cpu_count": 1}}
    ),
    "train.more": StepOptions(),
}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("rows=5", 5),
        ("rate=0.5", 0.5),
        ("rate=1e-3", 0.001),
        ("name=a=b c", "a=b c"),
        ("name=5", "5"),
        ("fast=off", False),
        ("fast=YES", True),
        ("sizes=[1, 2]", [1, 2]),
        ("seed=7", 7),
        ("seed=null", None),
    ],
)
def test_parameters_take_the_type_of_the_schema(word, value):
    (found,) = read_parameters(SCHEMA, [word]).values()

    assert found == value
    assert type(found) is type(value)


def test_only_what_was_given_comes_back():
    assert read_parameters(SCHEMA, []) == {}
    assert read_parameters(SCHEMA, ["rows=1", "rows=2"]) == {"rows": 2}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("rows", "not NAME=VALUE"),
        ("=5", "not NAME=VALUE"),
        ("row=5", "Did you mean rows?"),
        ("rows=five", "rows"),
        ("rows=1.5", "rows"),
        ("fast=maybe", "not true or false"),
        ("rate=NaN", "rate"),
        ("sizes=1,2", "sizes"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_name(word, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        read_parameters(SCHEMA, [word])


@pytest.mark.parametrize(
    ("word", "option", "value"),
    [
        ("train.retry=3", "retry", Retry(max_retries=3, delay=5, backoff=2)),
        ("train.retry.delay=0", "retry", Retry(max_retries=1, delay=0, backoff=2)),
        ("train.timeout=10m", "timeout", 600),
        ("train.timeout=off", "timeout", 0),
        ("train.enable_cache=false", "enable_cache", False),
        ("train.hooks_enabled=on", "hooks_enabled", True),
        ("train.environment.B=2=3", "environment", {"A": "1", "B": "2=3"}),
        ('train.environment={"C": "3"}', "environment", {"C": "3"}),
        ("train.settings.x=[1]", "settings", {"resources": {"cpu_count": 1}, "x": [1]}),
        ("train.step_operator=off", "step_operator", False),
        ("train.step_operator=ray", "step_operator", "ray"),
        ("train.experiment_tracker=no", "experiment_tracker", False),
    ],
)
def test_options_are_read_on_top_of_what_the_step_has(word, option, value):
    override = read_overrides([word], PLANNED).steps["train"]

    assert getattr(override, option) == value
    assert override.model_fields_set == {option}


def test_the_longest_step_name_that_fits_is_meant():
    overrides = read_overrides(["train.more.timeout=5", "train.timeout=6"], PLANNED)

    assert overrides.steps["train.more"].timeout == 5
    assert overrides.steps["train"].timeout == 6


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("trian.retry=3", "no step “trian”. Did you mean train"),
        ("retry=3", "no step “retry”"),
        ("train.retyr=3", "Did you mean retry"),
        ("train.retry=many", "retry"),
        ("train.retry=-1", "retry"),
        ("train.retry.times=2", "retry"),
        ("train.timeout=soon", "not a duration"),
        ("train.enable_cache=perhaps", "not true or false"),
        ("train.enable_cache.x=1", "nothing inside"),
        ("train.environment=A", "not a JSON object"),
        ("train.fence=3", "not an option"),
    ],
)
def test_options_that_do_not_fit_are_refused_by_name(word, said):
    with pytest.raises(UsageError, match=said):
        read_overrides([word], PLANNED)
