"""Making steps: names, signatures, and what is refused at definition."""

from __future__ import annotations

import functools
import warnings
from typing import Annotated, Any, Tuple  # noqa: UP035 - the reference writes Tuple

import pytest

from stepwell import ArtifactConfig, BaseStep, pipeline, step
from stepwell.errors import ConfigError, StepInterfaceError, UsageError
from stepwell.sdk.single import SingleStepPipeline


@step
def double(number: int) -> int:
    """Double it.

    Twice.
    """
    return number * 2


@step(name="renamed", enable_cache=False)
def with_options_given(number: int = 3) -> int:
    return number


class Scale(BaseStep):
    """Scales."""

    def __init__(self, k: int) -> None:
        self.k = k

    def entrypoint(self, value: int) -> int:
        return value * self.k


class Plain(BaseStep):
    def entrypoint(self) -> None:
        return None


def output_names(made: BaseStep) -> list[str]:
    return [output.name for output in made.signature.outputs]


def test_a_decorated_function_is_a_step_with_its_name_docstring_and_source() -> None:
    assert isinstance(double, BaseStep)
    assert double.name == "double"
    assert double.docstring == "Double it.\n\nTwice."
    assert double.source_code.startswith("@step\ndef double(number: int)")
    assert double.entrypoint(4) == 8


def test_options_in_the_decorator_are_taken() -> None:
    assert with_options_given.name == "renamed"
    assert with_options_given.enable_cache is False
    assert double.enable_cache is None


def test_a_subclass_is_named_after_its_class_and_keeps_its_state() -> None:
    made = Scale(k=5)

    assert made.name == "Scale"
    assert made.docstring == "Scales."
    assert made.call_entrypoint(2) == 10
    assert made.with_options(enable_cache=False).call_entrypoint(2) == 10
    assert Plain(name="other").name == "other"
    assert Plain().docstring is None


def test_a_step_without_entrypoint_cannot_be_made() -> None:
    class Empty(BaseStep):
        pass

    with pytest.raises(TypeError, match="entrypoint"):
        BaseStep()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="entrypoint"):
        Empty()  # type: ignore[abstract]


@pytest.mark.parametrize("thing", [Scale, double, functools.partial(print), 3])
def test_step_goes_on_functions_only(thing: Any) -> None:
    with pytest.raises(UsageError, match="@step is put on"):
        step(thing)


def test_star_parameters_are_refused() -> None:
    with pytest.raises(StepInterfaceError, match=r"Step f takes \*args"):

        @step
        def f(*args: int) -> None: ...

    with pytest.raises(StepInterfaceError, match=r"takes \*\*more"):

        class Starred(BaseStep):
            def entrypoint(self, **more: int) -> None: ...


@pytest.mark.parametrize("name", ["after", "id", "start_after"])
def test_parameters_with_our_names_are_refused(name: str) -> None:
    space: dict[str, Any] = {}
    exec(f"def f({name}): ...", space)

    with pytest.raises(UsageError, match=f"parameter named {name}"):
        step(space["f"])


def test_unknown_options_are_type_errors_that_suggest() -> None:
    with pytest.raises(TypeError, match="Did you mean enable_cache"):
        step(enable_cach=True)(lambda: None)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"enable_cache": 1}, "enable_cache is 1"),
        ({"parameters": {"wrong": 1}}, "no input wrong"),
        ({"parameters": {"number": "many"}}, r"parameters\['number'\] is 'many'"),
        ({"settings": {"resorces": {}}}, "Did you mean resources"),
        ({"settings": {"resources": {"cpu_count": 0}}}, "cpu_count is 0"),
        ({"settings": {"resources": {"memory": "lots"}}}, "ResourceSettings.memory is 'lots'"),
        ({"cache_policy": "sometimes"}, "default, no_cache"),
        ({"runtime": "cloud"}, "inline, isolated"),
        ({"heartbeat_healthy_threshold": 0}, "from 1 to 1440"),
        ({"heartbeat_healthy_threshold": 1441}, "from 1 to 1440"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": "soon"}, "such as 90s"),
        ({"secrets": "db"}, "Give a list"),
        ({"environment": {"A=B": 1}}, "no = in it"),
        ({"output_materializers": {"nope": "a.B"}}, "the output 'nope'"),
        ({"output_materializers": int}, "no materializer"),
        ({"model": "churn"}, "Model"),
        ({"retry": 3}, "StepRetryConfig"),
        ({"name": "a/b"}, "slashes"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_step_and_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        double.with_options(**options)

    assert isinstance(caught.value, ValueError)


def test_thresholds_of_existing_projects_work() -> None:
    for minutes in (1, 10, 60, 1440):
        assert double.with_options(heartbeat_healthy_threshold=minutes) is not double


def test_timeouts_are_seconds_or_text() -> None:
    assert double.with_options(timeout="10m").configuration.timeout == 600
    assert double.with_options(timeout=1.5).configuration.timeout == 1.5


def test_outputs_come_from_the_return_annotation() -> None:
    @step
    def nothing() -> None: ...
    @step
    def unsaid(): ...  # type: ignore[no-untyped-def]
    @step
    def one() -> int: ...  # type: ignore[empty-body]
    @step
    def two() -> Tuple[int, Annotated[str, "text"]]: ...  # type: ignore[empty-body]  # noqa: UP006
    @step
    def named() -> Annotated[int, ArtifactConfig(name="score", tags=["x"])]: ...  # type: ignore[empty-body]
    @step
    def whole() -> Annotated[tuple[int, str], "pair"]: ...  # type: ignore[empty-body]
    @step
    def many() -> tuple[int, ...]: ...  # type: ignore[empty-body]
    @step
    def bare() -> tuple: ...  # type: ignore[empty-body, type-arg]

    assert [output_names(one_step) for one_step in (nothing, unsaid, one, two, named, whole, many, bare)] == [
        [],
        ["output"],
        ["output"],
        ["output_0", "text"],
        ["score"],
        ["pair"],
        ["output"],
        ["output"],
    ]


def test_output_names_that_clash_or_are_malformed_are_refused_at_definition() -> None:
    with pytest.raises(StepInterfaceError, match="two outputs named x"):

        @step
        def clash() -> tuple[Annotated[int, "x"], Annotated[int, "x"]]: ...  # type: ignore[empty-body]

    with pytest.raises(StepInterfaceError, match="output named 'a/b'"):

        @step
        def malformed() -> Annotated[int, "a/b"]: ...  # type: ignore[empty-body]


def test_annotations_may_name_local_and_later_things() -> None:
    class Local:
        pass

    @step
    def takes(value: Local, later: Later) -> Local: ...  # type: ignore[empty-body]

    assert takes.signature.inputs["value"].annotation is Local
    assert takes.signature.inputs["later"].annotation is Later


class Later:
    pass


def test_an_annotation_that_cannot_be_read_is_any_with_a_warning() -> None:
    @step
    def f(value: NoSuchThing) -> int: ...  # type: ignore[name-defined, empty-body]  # noqa: F821

    with pytest.warns(UserWarning, match=r"Step f: the annotation of value, NoSuchThing"):
        assert f.signature.inputs["value"].annotation is Any


def test_call_entrypoint_validates_coerces_and_takes_configured_parameters() -> None:
    assert double.call_entrypoint("4") == 8
    assert with_options_given.with_options(parameters={"number": 7}).call_entrypoint() == 7
    with pytest.raises(StepInterfaceError, match="double is called without number"):
        double.call_entrypoint()
    with pytest.raises(StepInterfaceError, match="no input nummer"):
        double.call_entrypoint(nummer=1)
    with pytest.raises(StepInterfaceError, match="number is 'x'"):
        double.call_entrypoint("x")


def test_async_functions_run_to_completion() -> None:
    @step
    async def later(number: int) -> int:
        return number + 1

    assert later.call_entrypoint(1) == 2


def test_positional_only_and_keyword_only_parameters_work() -> None:
    @step
    def mixed(a: int, b: int = 2, /, *, c: int) -> int:
        return a * 100 + b * 10 + c

    assert mixed.call_entrypoint(1, c=3) == 123


def test_positional_only_parameters_are_found_by_name_by_what_stores_them() -> None:
    @step
    def mixed(a: int, b: int = 2, /, *, c: int) -> int:
        return a + b + c

    @pipeline
    def p(n: int, /) -> None:
        mixed.with_options(parameters={"a": n})(c=3)

    by_itself, _ = SingleStepPipeline(mixed).trace({"a": 1, "c": 3})
    in_a_pipeline, _ = p.trace({"n": 1})
    inputs = [
        {name: bound.value for name, bound in plan.steps[0].inputs.items()} for plan in (by_itself, in_a_pipeline)
    ]

    assert inputs == [{"a": 1, "b": 2, "c": 3}] * 2
    with pytest.raises(StepInterfaceError, match="Pipeline p has no input m"):
        p.trace({"m": 1})


def test_dynamic_calls_outside_of_a_pipeline_are_refused_in_words() -> None:
    with pytest.raises(UsageError, match=r"double.submit works in the body of a dynamic pipeline only"):
        double.submit(1)
    with pytest.raises(UsageError, match=r"double.map works in the body of a dynamic pipeline only"):
        double.map([1])


def test_resource_settings_of_existing_names_and_unknown_ones() -> None:
    with pytest.raises(TypeError, match="cpu_cuont"):
        double.with_options(settings={"resources": {"cpu_cuont": 1}})


def test_defining_a_step_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        @step
        def quiet(value: int) -> int:
            return value

    assert quiet.name == "quiet"


def test_retry_configurations_are_checked() -> None:
    from stepwell import StepRetryConfig

    assert StepRetryConfig().max_retries == 1
    assert StepRetryConfig(delay=2).backoff == 1
    for wrong in ({"max_retries": 0}, {"max_retries": True}, {"delay": -1}, {"backoff": -0.1}):
        with pytest.raises(ConfigError, match="StepRetryConfig"):
            StepRetryConfig(**wrong)  # type: ignore[arg-type]
