"""``with_options(config_path=...)``: what a file means, what wins over it, and how mistakes in it are told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

from stepwell import CachePolicy, DockerSettings, pipeline, step
from stepwell.core import values
from stepwell.errors import ConfigError, UsageError
from stepwell.sdk import variants


def notify() -> None:
    """Stands for a hook that a file names."""


@step(enable_cache=True, extra={"owner": "ana", "level": 1})
def train(rate: float = 0.1, epochs: int = 1) -> float:
    return rate * epochs


@step
def report(score: float) -> None: ...


@pipeline
def training(epochs: int = 2, name: str = "x") -> None:
    report(train(epochs=epochs))


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def put(text: str, name: str = "config.yaml") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return put


def planned(config: str, **options: Any) -> Any:
    plan, _ = training.with_options(config_path=config, **options).trace()
    return plan


def test_a_file_sets_options_parameters_and_steps(write: Any) -> None:
    plan = planned(
        write(
            """
run_name: nightly_{date}
enable_cache: false
parameters: {name: bob, epochs: 5}
tags: [nightly]
settings: {resources: {cpu_count: 2}}
extra: {level: 2}
environment: {STAGE: test}
secrets: [warehouse]
execution_mode: fail_fast
substitutions: {team: red}
retry: {max_retries: 2, delay: 3}
steps:
  train:
    enable_cache: true
    timeout: 10m
    parameters: {rate: 0.5}
    extra: {level: 3}
    on_success: tests.sdk.test_config_files.notify
    cache_policy: {expires_after: 60}
    group: fitting
    output_materializers: stepwell.sdk.materializers.pickled.PickleMaterializer
  report:
    retry: {max_retries: 7}
"""
        )
    )
    trained, reported = plan.steps

    assert (plan.run_name, plan.tags, str(plan.execution_mode)) == ("nightly_{date}", ["nightly"], "fail_fast")
    assert {name: values.decode(value) for name, value in plan.parameters.items()} == {"name": "bob", "epochs": 5}
    assert (trained.options.enable_cache, reported.options.enable_cache) == (True, False)
    assert (trained.options.timeout, trained.options.retry.max_retries, reported.options.retry.max_retries) == (
        600,
        2,
        7,
    )
    assert trained.options.extra == {"owner": "ana", "level": 3}
    assert trained.options.settings == {"resources": {"cpu_count": 2}}
    assert (trained.options.environment, trained.options.secrets) == ({"STAGE": "test"}, ["warehouse"])
    assert trained.options.hooks.on_success == "tests.sdk.test_config_files.notify"
    assert trained.options.cache_policy["expires_after"] == 60
    assert trained.options.group.name == "fitting"
    assert trained.outputs[0].materializers == ["stepwell.sdk.materializers.pickled.PickleMaterializer"]
    assert values.decode(trained.inputs["rate"].value) == 0.5
    assert plan.warnings == []


def test_a_file_made_from_zenmls_template_is_read(write: Any) -> None:
    plan = planned(
        write(
            """
build: dcd6fafb-c200-4e85-8328-428bef98d804
steps:
  train:
    name: train
    step_operator: null
    success_hook_source: {module: tests.sdk.test_config_files, attribute: notify, type: user}
    outputs:
      output:
        materializer_source: [{module: stepwell.sdk.materializers.pickled, attribute: PickleMaterializer}]
  report:
    name: another
    failure_hook_source: tests.sdk.test_config_files.notify
"""
        )
    )
    trained, reported = plan.steps

    assert trained.options.hooks.on_success == reported.options.hooks.on_failure == "tests.sdk.test_config_files.notify"
    assert trained.outputs[0].materializers == ["stepwell.sdk.materializers.pickled.PickleMaterializer"]
    assert plan.warnings == [
        "config.yaml, line 2: build has no effect here.",
        "config.yaml, line 12: steps.report.name is no option.",
    ]


def test_what_the_code_says_beside_the_file_wins(write: Any) -> None:
    config = write("enable_cache: false\nrun_name: a\nsteps: {train: {timeout: 5, retry: {max_retries: 2}}}\n")
    plan = planned(config, enable_cache=True, run_name="b", steps={"train": {"timeout": 9}})

    assert plan.run_name == "b"
    assert plan.steps[1].options.enable_cache is True
    assert (plan.steps[0].options.timeout, plan.steps[0].options.retry.max_retries) == (9, 2)


def test_a_file_for_a_step_wins_over_the_steps_decorator(write: Any) -> None:
    assert planned(write("steps: {train: {enable_cache: false}}")).steps[0].options.enable_cache is False
    assert planned(write("enable_cache: false")).steps[0].options.enable_cache is True


def test_the_pipeline_itself_stays_as_it_is(write: Any) -> None:
    training.with_options(config_path=write("enable_cache: false\nparameters: {epochs: 9}"))
    plan, _ = training.trace()

    assert plan.steps[1].options.enable_cache is True
    assert values.decode(plan.parameters["epochs"]) == 2


def test_variables_expand_and_unquoted_ones_are_read_as_yaml(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPOCHS", "8")
    monkeypatch.setenv("OWNER", "ana")
    plan = planned(write("parameters:\n  epochs: ${EPOCHS}\nextra:\n  quoted: '${EPOCHS}'\n  by: me+${OWNER}$$\n"))

    assert values.decode(plan.parameters["epochs"]) == 8
    assert plan.steps[0].options.extra["quoted"] == "8"
    assert plan.steps[0].options.extra["by"] == "me+ana$"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "config.yaml, line 2: this is not YAML we can read"),
        ("- 1", "config.yaml: the file holds no mapping"),
        ("5: 1", "config.yaml, line 2: the key 5 is no text"),
        ("enable_cache: 5", "config.yaml, line 2: enable_cache is 5. Give True or False."),
        ("\nsteps: 3", "config.yaml, line 3: steps is no mapping"),
        ("steps:\n  train: 3", "config.yaml, line 3: steps.train is no mapping"),
        ("steps:\n  train:\n    retry: {max_retries: 0}", "config.yaml, line 4: steps.train: retry: StepRetryConfig"),
        ("retry: {max: 3}", "config.yaml, line 2: retry has no option max. The options are"),
        ("settings: {resources: {cpu_count: 0}}", "config.yaml, line 2: settings: ResourceSettings.cpu_count is 0."),
        ("x: !!python/object/apply:os.getcwd []", "kind tag:yaml.org,2002:python/object/apply:os.getcwd are not read"),
        ("x: !!python/name:os.system", "config.yaml, line 2: this is not YAML we can read"),
        ("x: &x [*x]", "too many values, or nests too deep"),
        ("x: ${NOT_SET_ANYWHERE}", "line 2: x uses the environment variable NOT_SET_ANYWHERE, which is not set"),
        ("x: ${not a name}", "line 2: x has ${not a name}, which names no variable"),
        ("schedule: {every: 3}", "config.yaml: schedule: "),
        ("steps: {train: {failure_hook_source: 3}}", "config.yaml, line 2: steps.train: on_failure is 3"),
        ("run_name: [a]", "config.yaml, line 2: run_name is ['a']"),
        ("on_success: 3", "config.yaml, line 2: on_success is 3, which cannot be called"),
        ("x: 2001-99-99", "config.yaml, line 2: '2001-99-99' cannot be read"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(write: Any, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        training.with_options(config_path=write(f"\n{text}"))

    assert said in str(caught.value)


def test_a_bomb_of_anchors_is_refused(write: Any) -> None:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    with pytest.raises(ConfigError, match="too many values"):
        training.with_options(config_path=write("\n".join(lines)))


def test_a_bomb_of_merges_is_refused(write: Any) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]

    with pytest.raises(ConfigError, match="too many values"):
        training.with_options(config_path=write("\n".join(lines)))


def test_merge_keys_and_anchors_work(write: Any) -> None:
    config = write("extra: &base {a: 1, b: 1}\nsteps:\n  train:\n    extra: {<<: *base, b: 2}\n")

    assert planned(config).steps[0].options.extra == {"owner": "ana", "level": 1, "a": 1, "b": 2}


def test_a_missing_or_huge_file_is_refused(write: Any) -> None:
    with pytest.raises(ConfigError, match=r"There is no file .*nowhere\.yaml"):
        training.with_options(config_path="nowhere.yaml")
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        training.with_options(config_path=write(f"x: {'a' * 300_000}"))


def test_odd_keys_are_warnings_that_suggest_the_near_name(write: Any) -> None:
    plan = planned(
        write(
            """
enable_cach: false
build: abc
enable_cache: false
enable_cache: true
settings: {dockr: {}, orchestrator.kubeflow: {}}
steps:
  train: {retri: 1, learning_rate: 5}
  trian: {enable_cache: true}
"""
        )
    )

    assert plan.warnings == [
        "config.yaml, line 5: enable_cache stands there twice; the last one counts.",
        "config.yaml, line 2: enable_cach is no option. Did you mean enable_cache?",
        "config.yaml, line 3: build has no effect here.",
        "config.yaml, line 6: settings.dockr has no effect here. Did you mean docker?",
        "config.yaml, line 6: settings.orchestrator.kubeflow has no effect here.",
        "config.yaml, line 8: steps.train.retri is no option. Did you mean retry?",
        "config.yaml, line 8: steps.train.learning_rate is no option.",
        "config.yaml: steps has trian, which pipeline training does not call. Did you mean train?",
    ]


@pytest.mark.parametrize("text", ["enable_cach: false", "settings: {orchestrator.x: {}}", "build: a"])
def test_strict_makes_errors_of_them(write: Any, text: str) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        training.with_options(config_path=write(text), strict=True)


def test_strict_refuses_a_step_that_is_not_called(write: Any) -> None:
    strict = training.with_options(config_path=write("steps: {trian: {}}"), strict=True)

    with pytest.raises(ConfigError, match=r"trian, which pipeline training does not call. Did you mean train\?"):
        strict.trace()


def test_a_parameter_of_the_file_and_of_the_call_must_agree(write: Any) -> None:
    configured = training.with_options(config_path=write("parameters: {epochs: 4}"))

    assert values.decode(configured.trace({"epochs": 4})[0].parameters["epochs"]) == 4
    with pytest.raises(UsageError) as caught:
        configured.trace({"epochs": 5})
    assert str(caught.value).startswith(
        "Pipeline training: the parameter epochs is 4 in config.yaml and 5 in the call."
    )


def test_a_parameter_the_pipeline_does_not_have_is_an_error(write: Any) -> None:
    with pytest.raises(UsageError, match=r"sets the parameter epoch, .*Did you mean epochs\?"):
        training.with_options(config_path=write("parameters: {epoch: 4}")).trace()


def test_a_steps_parameter_that_the_body_passes_must_agree(write: Any) -> None:
    agreeing = training.with_options(config_path=write("steps: {train: {parameters: {epochs: 2}}}"))
    other = training.with_options(config_path=write("steps: {train: {parameters: {epochs: 3}}}"))

    assert values.decode(agreeing.trace()[0].steps[0].inputs["epochs"].value) == 2
    with pytest.raises(ConfigError, match="epochs is set for this run to 3, but the pipeline's body passes 2"):
        other.trace()


def test_the_files_parameters_are_the_defaults_of_a_registered_pipeline(write: Any) -> None:
    schema = training.with_options(config_path=write("parameters: {epochs: 4}")).spec().parameters_schema

    assert schema["properties"]["epochs"]["default"] == 4


def test_a_relative_path_is_seen_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here.yaml").write_text("enable_cache: false")
    monkeypatch.chdir(tmp_path)

    assert training.with_options(config_path="here.yaml").enable_cache is False


def test_zenmls_names_of_hooks_are_read(write: Any) -> None:
    plan = planned(write("success_hook_source: tests.sdk.test_config_files.notify"))

    assert plan.steps[0].options.hooks.on_success == "tests.sdk.test_config_files.notify"


def test_docker_settings_are_recorded_and_said_to_have_no_effect() -> None:
    settings = {"docker": DockerSettings(requirements=["pandas"], required_integrations=["mlflow"])}
    plan, _ = training.with_options(settings=settings).trace()

    assert plan.steps[0].options.settings == {
        "docker": {"requirements": ["pandas"], "required_integrations": ["mlflow"]}
    }
    assert plan.warnings == [
        "Docker settings have no effect here: steps run in the Python environment of the runner or script."
    ]


@pytest.mark.parametrize("names", [{"run_name": "run_{tem}"}, {"run_name": "a{b}"}])
def test_a_placeholder_that_nothing_stands_for_is_refused_before_a_run_exists(names: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"Pipeline training: run_name is .*nothing stands for"):
        training.with_options(**names, substitutions={"team": "red"}).trace()


def test_an_outputs_name_takes_the_steps_substitutions() -> None:
    @step(substitutions={"team": "red"})
    def named() -> Annotated[int, "rows_{team}_{date}"]:
        return 1

    @step
    def unnamed() -> Annotated[int, "rows_{team}"]:
        return 1

    plan, _ = pipeline(name="p")(lambda: named()).trace()

    assert plan.steps[0].outputs[0].artifact_name == "rows_{team}_{date}"
    with pytest.raises(ConfigError, match=r"Step unnamed: an output's name is 'rows_\{team\}', and nothing stands for"):
        pipeline(name="p")(lambda: unnamed()).trace()


def test_a_run_carries_what_its_call_changed_as_data(write: Any) -> None:
    config = write("enable_cache: false\nodd: 1\nparameters: {epochs: 7}\nsteps: {train: {retry: {max_retries: 3}}}")
    variant = (
        training.with_options(config_path=config, cache_policy=CachePolicy(expires_after=5), on_success=notify)
        .trace()[0]
        .variant
    )
    plan, _ = variants.for_run(training, variant).trace({"epochs": 1})

    assert variant["options"]["on_success"] == "tests.sdk.test_config_files.notify"
    assert plan.steps[0].options.retry.max_retries == 3
    assert plan.steps[1].options.enable_cache is False
    assert plan.steps[1].options.cache_policy["expires_after"] == 5
    assert values.decode(plan.parameters["epochs"]) == 1
    assert plan.warnings == ["config.yaml, line 2: odd is no option."]
    assert training.trace()[0].variant == {}


def test_an_option_says_that_a_file_gave_it_until_code_gives_it_again(write: Any) -> None:
    config = write("enable_cache: false\nextra: {level: 2}\nsteps: {train: {retry: {max_retries: 3}, timeout: 5m}}")
    given = training.with_options(config_path=config, extra={"level": 3}, steps={"train": {"timeout": 9}})
    first, second = given.trace()[0].steps
    again = variants.for_run(training, given.trace()[0].variant)
    expected = {"retry": "file", "timeout": "run", "enable_cache": "step", "runtime": "default"}

    assert {name: first.origins[name] for name in expected} == expected
    assert (second.origins["enable_cache"], second.origins["extra"]) == ("file", "pipeline")
    assert [one.origins for one in again.trace()[0].steps] == [first.origins, second.origins]
    assert [one.origins for one in variants.for_run(given, {}).trace()[0].steps] == [first.origins, second.origins]
    assert given.configure(enable_cache=True).trace()[0].steps[1].origins["enable_cache"] == "pipeline"
