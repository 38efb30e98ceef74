"""configure and with_options: how a step's options change."""

from __future__ import annotations

from uuid import UUID

import pytest

from stepwell import CachePolicy, GroupInfo, ResourceSettings, StepRetryConfig, pipeline, step


@step(
    enable_cache=True,
    settings={"resources": {"cpu_count": 2}},
    environment={"A": 1, "FLAG": True},
    secrets=["one"],
    extra={"team": {"name": "x", "people": [1, 2]}},
    retry=StepRetryConfig(max_retries=3, delay=5),
    cache_policy=CachePolicy(expires_after=60),
)
def work(value: int = 1) -> int:
    return value


def test_configuration_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        work.configuration.enable_cache = False
    with pytest.raises(TypeError):
        work.configuration.extra["team"] = {}
    work.configuration.secrets.append("two")

    assert work.configuration.secrets == ["one"]
    assert work.configuration.model is None


def test_with_options_returns_a_copy_that_merges() -> None:
    other = work.with_options(
        name="other",
        settings={"resources": ResourceSettings(memory="1GB")},
        environment={"B": 2},
        secrets=["one", UUID(int=1)],
        extra={"team": {"people": [3]}},
        retry={"delay": 9},
        cache_policy=CachePolicy(include_step_code=False),
        parameters={"value": "7"},
    )

    assert other.configuration.settings == {"resources": {"cpu_count": 2, "memory": "1GB"}}
    assert other.configuration.environment == {"A": "1", "FLAG": "True", "B": "2"}
    assert other.configuration.secrets == ["one", str(UUID(int=1))]
    assert other.configuration.extra == {"team": {"name": "x", "people": [3]}}
    assert other.configuration.retry == StepRetryConfig(max_retries=3, delay=9)
    assert other.configuration.cache_policy == CachePolicy(expires_after=60, include_step_code=False)
    assert other.configuration.parameters == {"value": 7}
    assert (work.name, dict(work.configuration.environment)) == ("work", {"A": "1", "FLAG": "True"})


def test_without_merge_a_given_option_is_replaced_and_others_stay() -> None:
    other = work.with_options(environment={}, extra={"k": 1}, merge=False)

    assert other.configuration.environment == {}
    assert other.configuration.extra == {"k": 1}
    assert other.configuration.secrets == ["one"]
    assert other.configuration.retry.delay == 5


def test_none_leaves_an_option() -> None:
    assert work.with_options(enable_cache=None).enable_cache is True


def test_configure_changes_the_step_and_returns_it() -> None:
    mine = work.with_options()

    assert mine.configure(enable_cache=False, group="night") is mine
    assert mine.enable_cache is False
    assert mine.configuration.group == GroupInfo(name="night")
    assert work.enable_cache is True


def test_a_later_configure_does_not_reach_an_invocation() -> None:
    mine = work.with_options()

    @pipeline
    def p() -> None:
        mine()

    plan, invocations = p.trace()
    mine.configure(timeout=5)

    assert plan.steps[0].options.timeout is None
    assert invocations["work"].step.configuration.timeout is None


def test_configure_in_a_body_ends_with_the_body() -> None:
    @pipeline
    def p() -> None:
        work.configure(timeout=5)
        work()

    plan, _ = p.trace()

    assert plan.steps[0].options.timeout == 5
    assert plan.steps[0].source.resolve == "trace"
    assert work.configuration.timeout is None


def test_group_and_policy_values_are_checked_and_readable() -> None:
    assert GroupInfo("a") == GroupInfo(id="a", name="a")
    assert CachePolicy().include_dependencies is True
    with pytest.raises(TypeError, match="no field include_all"):
        CachePolicy(include_all=True)
    with pytest.raises(AttributeError):
        StepRetryConfig().delay = 3
