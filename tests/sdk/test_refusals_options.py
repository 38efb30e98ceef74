"""Values of options that are refused: the message names the step and the option, and says what to do."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from stepwell import CachePolicy, GroupInfo, Model, ResourceSettings, StepRetryConfig, pipeline, step
from stepwell.errors import ConfigError, StepInterfaceError, UsageError


@step
def train(rate: float = 0.1, layers: int = 2) -> tuple[int, str]:
    return layers, ""


@pipeline
def nightly() -> None:
    train()


def two(exception: Any) -> None: ...
def none() -> None: ...
def too_many(exception: Any, more: Any) -> None: ...


class NoMaterializer:
    pass


#: option, value, words of the message besides step and option, words of the advice
VALUES = [
    ("name", "", "is ''", "Give text"),
    ("name", "a/b", "'a/b'", "slashes"),
    ("name", "x " * 101, "x x", "1 to 200"),
    ("step_type", 3, "is 3", "Give text"),
    *(
        (name, "yes", "is 'yes'", "True or False")
        for name in ("enable_cache", "enable_artifact_metadata", "enable_artifact_visualization", "enable_step_logs")
    ),
    ("experiment_tracker", 3, "is 3", "name of a component, True"),
    ("step_operator", "", "is ''", "name of a component, True"),
    ("parameters", {"rat": 1}, "no input rat", "Did you mean rate"),
    ("parameters", {"rate": "fast"}, "parameters['rate'] is 'fast'", "It takes float"),
    ("parameters", [1], "is [1]", "Give a dict"),
    ("output_materializers", {"output_7": "a.B"}, "'output_7'", "Its outputs are: output_0, output_1"),
    ("output_materializers", NoMaterializer, "NoMaterializer", "subclass of BaseMaterializer"),
    ("output_materializers", "no name", "'no name'", "dotted name"),
    ("environment", {"A": [1]}, "[1]", "Give text, a number or a boolean"),
    ("environment", {"A": None}, "None", "Give text, a number or a boolean"),
    ("environment", {"A=B": 1}, "'A=B'", "no = in it"),
    ("environment", {"": 1}, "''", "not empty"),
    ("environment", ["A"], "['A']", "Give a dict"),
    ("secrets", "database", "'database'", "Give a list"),
    ("secrets", [3], "holds 3", "list of names"),
    ("secrets", [""], "holds ''", "list of names"),
    ("settings", {"resorces": {}}, "unknown key 'resorces'", "Did you mean resources"),
    ("settings", 3, "is 3", "Write settings="),
    ("settings", {"resources": {"cpu_count": 0}}, "cpu_count is 0", "above 0"),
    ("settings", {"resources": {"gpu_count": -1}}, "gpu_count is -1", "0 or above"),
    ("settings", {"resources": {"gpu_count": 1.5}}, "gpu_count is 1.5", "whole number"),
    ("settings", {"resources": {"memory": "lots"}}, "memory is 'lots'", "4GB"),
    ("settings", {"resources": 3}, "is 3", "ResourceSettings"),
    ("settings", {"docker": 3}, "docker", "Give a dict"),
    ("extra", 3, "is 3", "Give a dict"),
    ("on_failure", 3, "is 3", "Give a function"),
    ("on_failure", too_many, "too_many", "no argument, or one"),
    ("on_success", two, "two", "It takes no arguments"),
    ("on_start", two, "two", "It takes no arguments"),
    ("on_end", too_many, "too_many", "no argument, or one"),
    ("on_end", "no dots", "'no dots'", "dotted name"),
    ("model", "churn", "'churn'", "Model("),
    ("model", {"name": ""}, "name is ''", "Model("),
    ("retry", 3, "is 3", "StepRetryConfig("),
    ("retry", {"max_retries": 0}, "max_retries is 0", "1 to 1000"),
    ("retry", {"max_retries": True}, "max_retries is True", "1 to 1000"),
    ("retry", {"delay": -1}, "delay is -1", "0 or above"),
    ("retry", {"backoff": float("inf")}, "backoff is inf", "0 or above"),
    ("cache_policy", "sometimes", "'sometimes'", "default, no_cache"),
    ("cache_policy", {"expires_after": -1}, "expires_after is -1", "0 or above"),
    ("cache_policy", {"include_step_code": 1}, "include_step_code is 1", "True or False"),
    ("cache_policy", {"file_dependencies": "a.csv"}, "'a.csv'", "Give a list"),
    ("cache_policy", {"cache_func": 3}, "cache_func is 3", "dotted name"),
    ("runtime", "cloud", "'cloud'", "inline, isolated"),
    ("heartbeat_healthy_threshold", 0, "is 0", "from 1 to 1440"),
    ("heartbeat_healthy_threshold", 1441, "is 1441", "from 1 to 1440"),
    ("heartbeat_healthy_threshold", 1.5, "is 1.5", "whole minutes"),
    ("group", 3, "is 3", "Give a GroupInfo"),
    ("group", {}, "no id and no name", "group="),
    ("timeout", 0, "is 0", "10m"),
    ("timeout", -5, "is -5", "10m"),
    ("timeout", "soon", "'soon'", "10m"),
    ("substitutions", ["a"], "['a']", "Give a dict"),
]


def named(case: Any) -> str | None:
    return case[:20] if isinstance(case, str) else None


@pytest.mark.parametrize("give", [train.with_options, train.configure], ids=["with_options", "configure"])
@pytest.mark.parametrize(("option", "value", "wrong", "advice"), VALUES, ids=named)
def test_a_wrong_value_is_refused_in_words(give: Any, option: str, value: Any, wrong: str, advice: str) -> None:
    before = dict(train._options)

    with pytest.raises(UsageError) as caught:
        give(**{option: value})

    message, hint = caught.value.message, caught.value.hint
    assert message.startswith("Step train")
    assert option in message
    assert wrong in message
    assert advice in hint
    assert train._options == before


@pytest.mark.parametrize(("option", "value", "wrong", "advice"), VALUES, ids=named)
def test_the_decorator_refuses_it_too(option: str, value: Any, wrong: str, advice: str) -> None:
    def train(rate: float = 0.1, layers: int = 2) -> tuple[int, str]: ...  # type: ignore[empty-body]

    with pytest.raises(UsageError) as caught:
        step(**{option: value})(train)  # type: ignore[call-overload]

    assert wrong in caught.value.message
    assert advice in caught.value.hint


PIPELINE_OPTIONS = {"name", "enable_cache", "environment", "secrets", "settings", "retry", "cache_policy", "model"}


@pytest.mark.parametrize(
    ("option", "value", "wrong", "advice"), [case for case in VALUES if case[0] in PIPELINE_OPTIONS], ids=named
)
def test_a_pipeline_refuses_it_and_is_named(option: str, value: Any, wrong: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        nightly.with_options(**{option: value})  # type: ignore[misc]

    assert caught.value.message.startswith("Pipeline nightly")
    assert option in caught.value.message
    assert wrong in caught.value.message
    assert advice in caught.value.hint


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("execution_mode", "sometimes", "continue_on_failure, stop_on_failure, fail_fast"),
        ("tags", 3, "Give a list"),
        ("tags", ["nightly", 3], "Give a list"),
        ("tags", [""], "Give a list"),
        ("on_init", 3, "Give a function"),
        ("on_cleanup", two, "It takes no arguments"),
        ("dynamic", "yes", "True or False"),
    ],
)
def test_options_of_pipelines_are_refused_in_words(option: str, value: Any, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        nightly.with_options(**{option: value})  # type: ignore[misc]

    assert caught.value.message.startswith(f"Pipeline nightly: {option} is ")
    assert advice in caught.value.hint


def test_unknown_options_are_type_errors_that_name_the_nearest() -> None:
    for call in (train.with_options, train.configure, lambda **given: step(**given)(lambda: None)):  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=r"Step .* has no option retires\. Did you mean retry\?"):
            call(retires=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Pipeline nightly has no option enable_cach\. Did you mean enable_cache\?"):
        nightly.with_options(enable_cach=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"settings\['resources'\] has no option cpu_cuont\. Did you mean cpu_count\?"):
        train.with_options(settings={"resources": {"cpu_cuont": 1}})
    with pytest.raises(TypeError, match=r"retry has no option max_retry\. Did you mean max_retries\?"):
        train.with_options(retry={"max_retry": 1})
    with pytest.raises(TypeError, match="CachePolicy has no field include_all"):
        train.with_options(cache_policy={"include_all": True})


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda: StepRetryConfig(max_retries=0), "StepRetryConfig.max_retries is 0"),
        (lambda: StepRetryConfig(delay=-1), "StepRetryConfig.delay is -1"),
        (lambda: StepRetryConfig(backoff="2"), "StepRetryConfig.backoff is '2'"),  # type: ignore[arg-type]
        (lambda: ResourceSettings(cpu_count=-1), "cpu_count is -1"),
        (lambda: ResourceSettings(memory="x"), "ResourceSettings.memory is 'x'"),
        (lambda: CachePolicy(expires_after="1h"), "CachePolicy.expires_after is '1h'"),
        (lambda: GroupInfo(), "no id and no name"),
        (lambda: Model(name=" "), "name is ' '"),
    ],
)
def test_values_made_by_themselves_are_refused_at_once(make: Any, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()

    assert wrong in caught.value.message
    assert caught.value.hint


def test_what_existing_projects_write_is_taken() -> None:
    given = train.with_options(
        environment={"A": 1, "B": True, "C": 1.5},
        secrets=["name", uuid.UUID(int=1)],
        heartbeat_healthy_threshold=60,
        settings={"docker": {"requirements": ["x"]}},
        retry=StepRetryConfig(max_retries=3, delay=60, backoff=2),
    )

    assert given.configuration.environment == {"A": "1", "B": "True", "C": "1.5"}


def test_hooks_that_cannot_be_found_are_refused_when_the_pipeline_is_planned() -> None:
    @pipeline
    def p() -> None:
        train.with_options(on_failure="no_such_module.notify")()

    with pytest.raises(ConfigError) as caught:
        p.trace()

    assert caught.value.message == "Step train: on_failure is 'no_such_module.notify', which cannot be found."
    assert caught.value.hint


def test_cache_policies_that_name_what_is_not_there_are_refused_when_the_pipeline_is_planned() -> None:
    cases = {
        "Step train: the cache policy ignores the input rat": CachePolicy(ignored_inputs=["rat"]),
        "Step train: the cache policy names the file missing.csv, which does not exist": CachePolicy(
            file_dependencies=["missing.csv"]
        ),
        "Step train: the cache policy names the file /etc/hosts, which is outside": CachePolicy(
            file_dependencies=["/etc/hosts"]
        ),
        "Step train: the cache policy names no.such.thing, which cannot be found": CachePolicy(
            source_dependencies=["no.such.thing"]
        ),
    }
    for words, policy in cases.items():

        @pipeline
        def p() -> None:
            train.with_options(cache_policy=policy)()  # noqa: B023 - traced within the loop

        with pytest.raises(ConfigError) as caught:
            p.trace()
        assert caught.value.message.startswith(words)
        assert caught.value.hint, words


def test_materializers_for_all_outputs_or_each() -> None:
    with pytest.raises(StepInterfaceError, match=r"Step nothing.*no input x"):

        @step(parameters={"x": 1})
        def nothing() -> None: ...
