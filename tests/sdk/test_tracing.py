"""Tracing a pipeline's body into a plan."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from stepwell import CachePolicy, Pipeline, StepRetryConfig, pipeline, step
from stepwell.core import values
from stepwell.core.plan import Plan, PlannedStep
from stepwell.errors import ConfigError, GraphError, StepInterfaceError, UsageError
from stepwell.sdk import tracing


class Size(Enum):
    SMALL = 1


class Config(BaseModel):
    rate: float = 0.5


FAST = Config(rate=2)


@step
def load(path: str = "x") -> list[int]:
    return [len(path)]


@step
def split(data: list[int], ratio: float = 0.5) -> tuple[list[int], list[int]]:
    return data, data


@step
def train(data: Any, rate: float = 0.1) -> float:
    return rate


@step
def tell(what: Any) -> None:
    print(what)


def plan_of(body: Pipeline, **parameters: Any) -> dict[str, PlannedStep]:
    return {planned.invocation_id: planned for planned in body.trace(parameters)[0].steps}


def constant(planned: PlannedStep, name: str) -> Any:
    assert planned.inputs[name].kind == "value"
    return values.decode(planned.inputs[name].value)


@pipeline
def training(path: str, rate: float = 0.3) -> None:
    """Train."""
    first, second = split(load(path))
    score = train(first, rate=rate)
    train({"a": [first, second], "b": (score, 1)})
    tell(score)


def test_calls_become_steps_with_edges_parameters_and_names() -> None:
    plan, invocations = training.trace({"path": "data"})
    steps = {planned.invocation_id: planned for planned in plan.steps}

    assert list(steps) == ["load", "split", "train", "train_2", "tell"]
    assert steps["train_2"].upstream == ["split", "train"]
    assert constant(steps["load"], "path") == "data"
    assert constant(steps["train"], "rate") == 0.3
    assert constant(steps["train_2"], "rate") == 0.1
    assert steps["split"].inputs["data"].step == "load"
    assert steps["train_2"].inputs["data"].entries["b"].items[1].value == 1
    assert [output.name for output in steps["split"].outputs] == ["output_0", "output_1"]
    assert plan.docstring == "Train."
    assert plan.parameters == {"path": "data", "rate": 0.3}
    assert invocations["train_2"].step.name == "train"
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_pipeline_parameters_are_coerced_and_checked() -> None:
    assert constant(plan_of(training, path="x", rate="2")["train"], "rate") == 2.0
    for wrong, message in (
        ({}, "without path"),
        ({"path": 1}, "path is 1"),
        ({"path": "x", "rat": 1}, "Did you mean rate"),
    ):
        with pytest.raises(ValueError, match=message):
            training.trace(wrong)


def test_a_call_argument_wins_over_configured_parameters_over_defaults() -> None:
    configured = train.with_options(parameters={"rate": 0.7})

    @pipeline
    def p() -> None:
        data = load()
        configured(data)
        configured(data, rate=0.9)
        train(data)

    steps = plan_of(p)
    assert [constant(steps[name], "rate") for name in ("train", "train_2", "train_3")] == [0.7, 0.9, 0.1]


def test_rich_parameters_reach_the_plan_with_their_types() -> None:
    @step
    def rich(size: Size, config: Config, pair: tuple[int, int], anything: Any) -> None: ...

    @pipeline
    def p(size: Size = Size.SMALL, config: Config = FAST) -> None:
        rich(size, config, [1, 2], {3: {4}})

    planned = plan_of(p)["rich"]
    assert constant(planned, "size") is Size.SMALL
    assert constant(planned, "config") == Config(rate=2)
    assert constant(planned, "pair") == (1, 2)
    assert constant(planned, "anything") == {3: {4}}


def test_ids_are_given_or_counted() -> None:
    @pipeline
    def p() -> None:
        load(id="load_2")
        load()
        load()
        load.with_options(name="reader")()

    assert list(plan_of(p)) == ["load_2", "load", "load_3", "reader"]


def test_after_takes_ids_outputs_and_results_without_outputs() -> None:
    @pipeline
    def p() -> None:
        nothing = tell(1)
        pair = split([1])
        one = load(after="tell_2")
        tell(2, after=nothing)
        tell(3, after=[one, pair, ("tell",)])

    steps = plan_of(p)
    assert steps["load"].upstream == ["tell_2"]
    assert steps["tell_2"].upstream == ["tell"]
    assert steps["tell_3"].upstream == ["load", "split", "tell"]


def body_that(**cases: Any) -> Any:
    return [pytest.param(body, error, message, id=name) for name, (body, error, message) in cases.items()]


def unpack_three() -> None:
    _a, _b, _c = split([1])  # type: ignore[misc]


def unpack_one() -> None:
    _a, _b = load()  # type: ignore[misc]


def iterate_one() -> None:
    for _ in load():
        pass


def test_other_pipelines_outputs() -> None:
    kept: list[Any] = []

    @pipeline
    def one() -> None:
        kept.append(load())

    @pipeline
    def two() -> None:
        train(kept[0])

    one.trace()
    with pytest.raises(GraphError, match="another pipeline called"):
        two.trace()


@pytest.mark.parametrize(
    ("body", "error", "message"),
    body_that(
        wrong_count=(
            unpack_three,
            StepInterfaceError,
            r"split has 2 outputs \(output_0, output_1\), but 3 are unpacked",
        ),
        unpack_one=(unpack_one, StepInterfaceError, "The output of step load is one value"),
        iterate_one=(iterate_one, StepInterfaceError, "cannot be unpacked or iterated"),
        tested=(lambda: 1 if load() else 2, StepInterfaceError, "cannot be tested"),
        missing=(lambda: train(), StepInterfaceError, "Step train is called without data"),
        unknown=(lambda: train(load(), rat=1), StepInterfaceError, "no input rat"),
        too_many=(lambda: load(1, 2), StepInterfaceError, "too many positional"),
        unfit=(lambda: load(path=[]), StepInterfaceError, "Step load: path is"),
        unstorable=(lambda: tell(object()), StepInterfaceError, "type object cannot be stored"),
        all_outputs=(lambda: tell(split([1])), StepInterfaceError, "all outputs of step split at once"),
        no_output=(lambda: tell(tell(1)), StepInterfaceError, "has no outputs"),
        same_id=(lambda: (load(id="a"), load(id="a")), GraphError, "Two steps have the id a"),
        bad_after=(lambda: load(after=3), StepInterfaceError, "after holds 3"),
        unknown_after=(lambda: load(after="lod"), GraphError, "waits for lod"),
        cycle=(lambda: (load(id="a", after="b"), load(id="b", after="a")), GraphError, "circle: a → b → a"),
        empty=(lambda: None, GraphError, "has no steps"),
        key=(lambda: tell({1: load()}), StepInterfaceError, "key 1"),
    ),
)
def test_mistakes_in_a_body_are_named(body: Any, error: type[Exception], message: str) -> None:
    wrapped = pipeline(name="p")(lambda: body())

    with pytest.raises(error, match=message):
        wrapped.trace()


def test_several_outputs_can_be_taken_by_name_and_place() -> None:
    @pipeline
    def p() -> None:
        outputs = split([1])
        tell(outputs["output_1"])
        tell(outputs[0])
        tell([*outputs])

    steps = plan_of(p)
    assert steps["tell"].inputs["what"].name == "output_1"
    assert steps["tell_2"].inputs["what"].name == "output_0"
    assert len(steps["tell_3"].inputs["what"].items) == 2


def test_options_of_pipeline_step_call_and_run_lie_over_each_other() -> None:
    @step(environment={"S": 1, "BOTH": "step"}, secrets=["s"], retry=StepRetryConfig(max_retries=2))
    def configured() -> None: ...

    @pipeline(
        enable_cache=False,
        environment={"P": 1, "BOTH": "pipeline"},
        secrets=["p"],
        retry=StepRetryConfig(max_retries=5, delay=9),
        cache_policy=CachePolicy(expires_after=60),
        tags=["nightly"],
    )
    def p() -> None:
        configured.with_options(timeout="1m", cache_policy=CachePolicy(include_step_code=False))()
        tell(1)

    plan, _ = p.with_options(
        run_name="tonight", tags=["x"], steps={"configured": {"enable_cache": True, "timeout": 5}}
    ).trace()
    configured_step, told = plan.steps

    options = configured_step.options
    assert options.environment == {"P": "1", "BOTH": "step", "S": "1"}
    assert options.secrets == ["p", "s"]
    assert (options.retry.max_retries, options.retry.delay) == (2, 0)
    assert (options.enable_cache, options.timeout) == (True, 5)
    assert (options.cache_policy["expires_after"], options.cache_policy["include_step_code"]) == (60, False)
    assert (
        configured_step.origins | {"enable_cache": "run", "timeout": "run", "retry": "step"} == configured_step.origins
    )
    assert (configured_step.origins["cache_policy"], configured_step.origins["runtime"]) == ("call", "default")
    assert (told.options.retry.max_retries, told.options.enable_cache) == (5, False)
    assert told.origins["enable_cache"] == "pipeline"
    assert (plan.run_name, plan.tags) == ("tonight", ["nightly", "x"])


def test_options_for_a_step_that_is_not_called_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no step trian.*Did you mean train\?"):
        training.with_options(steps={"trian": {}}).trace({"path": "x"})
    with pytest.raises(TypeError, match="no option retries"):
        training.with_options(steps={"train": {"retries": 3}})  # type: ignore[typeddict-unknown-key]


def test_a_parameter_set_for_the_run_and_by_the_body_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"rate is set for this run to 1.*passes 0\.3"):
        training.with_options(steps={"train": {"parameters": {"rate": 1}}}).trace({"path": "x"})

    steps = plan_of(training.with_options(steps={"train_2": {"parameters": {"rate": 1}}}), path="x")
    assert constant(steps["train_2"], "rate") == 1


def test_a_pipeline_in_a_body_is_inlined_with_its_options() -> None:
    @pipeline(enable_cache=False)
    def inner(rate: float) -> Any:
        return train(load(), rate=rate)

    @pipeline(environment={"A": "1"})
    def outer() -> None:
        tell(inner(rate="0.25"))

    steps = plan_of(outer)
    assert list(steps) == ["load", "train", "tell"]
    assert constant(steps["train"], "rate") == 0.25
    assert [steps[name].options.enable_cache for name in ("train", "tell")] == [False, True]
    assert steps["train"].options.environment == {"A": "1"}


def test_no_cache_turns_caching_off() -> None:
    planned = plan_of(training.with_options(cache_policy="no_cache"), path="x")["load"]

    assert planned.options.enable_cache is False
    assert planned.options.cache_policy == {"name": "no_cache"}


def test_pipelines_called_while_a_host_imports_the_script_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "importing", True)

    assert training(path="x") is None
    assert load() is None


def test_loading_in_a_body_that_is_said_to_be_static_is_refused() -> None:
    @pipeline(dynamic=False)
    def p() -> None:
        load().load()

    with pytest.raises(UsageError, match="loaded in the body of a static pipeline"):
        p.trace()


def test_the_plan_of_a_dynamic_pipeline_is_made_without_running_its_body() -> None:
    @pipeline(dynamic=True, environment={"A": 1})
    def p() -> None:
        raise AssertionError("the body ran")

    plan, invocations = p.trace()

    assert p.spec().dynamic is True
    assert (plan.steps, invocations, plan.execution_mode) == ([], {}, "stop_on_failure")
    assert plan.driver is not None
    assert plan.driver.options.environment == {"A": "1"}


def test_a_failing_body_leaves_nothing_behind() -> None:
    @pipeline
    def p() -> None:
        load.configure(timeout=9)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        p.trace()

    assert tracing.active_trace() is None
    assert load.configuration.timeout is None


@pytest.mark.parametrize(("value", "message"), [("sometimes", "continue_on_failure"), (3, "one of")])
def test_unknown_execution_modes_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        training.with_options(execution_mode=value)


def test_execution_mode_reaches_the_plan() -> None:
    plan, _ = training.with_options(execution_mode="fail_fast").trace({"path": "x"})

    assert plan.execution_mode == "fail_fast"


def test_pipeline_goes_on_functions_only() -> None:
    with pytest.raises(UsageError, match="@pipeline is put on"):
        pipeline(3)  # type: ignore[call-overload]
    with pytest.raises(StepInterfaceError, match="async"):

        @pipeline
        async def p() -> None: ...


def test_a_parameter_may_be_called_id_in_a_pipeline() -> None:
    @pipeline
    def p(id: str = "a") -> None:
        load(id)

    assert constant(plan_of(p, id="b")["load"], "path") == "b"
