"""Definitions and calls that are refused: which step, which input or output, what is wrong, what to do."""

from __future__ import annotations

import functools
import socket
from typing import Annotated, Any

import pytest

from stepwell import ArtifactConfig, BaseStep, pipeline, step
from stepwell.errors import ConfigError, GraphError, StepInterfaceError, StepwellError, UsageError


@step
def load(path: str = "x") -> list[int]:
    return []


@step
def split(data: list[int]) -> tuple[Annotated[int, "low"], Annotated[int, "high"]]:
    return 1, 2


@step
def train(data: Any, *, rate: float = 0.1) -> float:
    return rate


@step
def tell(what: Any) -> None: ...


def define(text: str, **names: Any) -> Any:
    space: dict[str, Any] = {"Annotated": Annotated, "ArtifactConfig": ArtifactConfig, **names}
    exec(text, space)
    return space["f"]


#: a function, the error, words of its message, words of its advice
DEFINITIONS = {
    "star": ("def f(*data): ...", StepInterfaceError, "Step f takes *data", "Name each parameter"),
    "double star": ("def f(**data): ...", StepInterfaceError, "Step f takes **data", "Name each parameter"),
    "after": ("def f(after): ...", UsageError, "Step f has a parameter named after", "another name"),
    "id": ("def f(id): ...", UsageError, "Step f has a parameter named id", "another name"),
    "start_after": ("def f(start_after): ...", UsageError, "Step f has a parameter named start_after", "another name"),
    "same output twice": (
        "def f() -> tuple[Annotated[int, 'x'], Annotated[int, 'x']]: ...",
        StepInterfaceError,
        "Step f has two outputs named x",
        "name of its own",
    ),
    "output with a slash": (
        "def f() -> Annotated[int, 'a/b']: ...",
        StepInterfaceError,
        "Step f has an output named 'a/b'",
        "letter",
    ),
    "two names for one output": (
        "def f() -> Annotated[int, 'a', ArtifactConfig(name='b')]: ...",
        StepInterfaceError,
        "Step f gives one output two names: a, b",
        "Keep one",
    ),
}


@pytest.mark.parametrize(("text", "error", "words", "advice"), DEFINITIONS.values(), ids=list(DEFINITIONS))
def test_a_function_that_cannot_be_a_step(text: str, error: type[UsageError], words: str, advice: str) -> None:
    with pytest.raises(error) as caught:
        step(define(text))

    assert words in caught.value.message
    assert advice in caught.value.hint


@pytest.mark.parametrize("thing", [int, train, functools.partial(print), 3, lambda: None, None])
def test_step_goes_on_functions_only(thing: Any) -> None:
    if callable(thing) and getattr(thing, "__name__", "") == "<lambda>":
        assert step(thing).name == "<lambda>"
        return
    if thing is None:
        assert callable(step(thing))
        return
    with pytest.raises(UsageError, match="@step is put on") as caught:
        step(thing)

    assert caught.value.hint


def test_a_class_without_entrypoint_cannot_be_made() -> None:
    class Empty(BaseStep):
        pass

    with pytest.raises(TypeError, match=r"abstract.*entrypoint"):
        Empty()  # type: ignore[abstract]


def unpack(count: int, outputs: Any) -> None:
    if count == 1:
        (_a,) = outputs
    elif count == 2:
        _a, _b = outputs
    else:
        _a, _b, _c = outputs


#: body of a pipeline, the error, words of its message, words of its advice
BODIES: dict[str, tuple[Any, type[StepwellError], list[str], str]] = {
    "missing input": (lambda: train(), StepInterfaceError, ["Step train", "without data"], "data="),
    "unknown input": (lambda: train(1, rat=2), StepInterfaceError, ["Step train", "no input rat"], "Did you mean rate"),
    "input twice": (lambda: load("a", path="b"), StepInterfaceError, ["Step load", "path"], ""),
    "too many": (lambda: load(1, 2), StepInterfaceError, ["Step load", "too many positional"], ""),
    "value that does not fit": (
        lambda: train(1, rate="fast"),
        StepInterfaceError,
        ["Step train: rate", "'fast'"],
        "float",
    ),
    "value that cannot be stored": (
        lambda: tell(socket.socket),
        StepInterfaceError,
        ["Step tell: what", "cannot be stored"],
        "Make it in a step",
    ),
    "all outputs as one": (
        lambda: tell(split([1])),
        StepInterfaceError,
        ["Step tell: what", "split", "low, high"],
        "Unpack",
    ),
    "a step without outputs": (lambda: tell(tell(1)), StepInterfaceError, ["Step tell: what", "no outputs"], "after="),
    "outputs under other keys": (lambda: tell({1: load()}), StepInterfaceError, ["Step tell: what", "key 1"], "text"),
    "three of two": (
        lambda: unpack(3, split([1])),
        StepInterfaceError,
        ["split", "2 outputs (low, high)", "3"],
        "Unpack 2",
    ),
    "one of two": (
        lambda: unpack(1, split([1])),
        StepInterfaceError,
        ["split", "2 outputs (low, high)", "but 1 is unpacked"],
        "Unpack 2",
    ),
    "two of one": (lambda: unpack(2, load()), StepInterfaceError, ["output of step load", "one value"], "Tuple"),
    "two of none": (lambda: unpack(2, tell(1)), StepInterfaceError, ["Step tell has no outputs"], "annotation"),
    "an output of one that is not there": (
        lambda: split([1])["middle"],
        StepInterfaceError,
        ["split has no output middle"],
        "low, high",
    ),
    "output tested": (lambda: 1 if load() else 2, StepInterfaceError, ["load", "cannot be tested"], "in a step"),
    "output counted": (lambda: len(load()), StepInterfaceError, ["load", "cannot be counted"], "in a step"),
    "output indexed": (lambda: load()[0], StepInterfaceError, ["load", "cannot be indexed"], "in a step"),
    "unknown after": (lambda: train(1, after="lod"), GraphError, ["train", "lod"], ""),
    "after of a wrong type": (
        lambda: train(1, after=3),
        StepInterfaceError,
        ["Step train: after holds 3"],
        "step's call",
    ),
    "same id": (lambda: (load(id="a"), load(id="a")), GraphError, ["Two steps have the id a"], "another id"),
    "malformed id": (lambda: load(id="a/b"), GraphError, ["step load", "'a/b'"], "without slashes"),
    "circle": (lambda: (load(id="a", after="b"), load(id="b", after="a")), GraphError, ["a → b → a"], ""),
    "no steps": (lambda: None, GraphError, ["has no steps"], "at least one"),
}


@pytest.mark.parametrize(("body", "error", "words", "advice"), BODIES.values(), ids=list(BODIES))
def test_a_mistake_in_a_body_is_named(body: Any, error: type[StepwellError], words: list[str], advice: str) -> None:
    with pytest.raises(error) as caught:
        pipeline(name="nightly")(lambda: body()).trace()

    assert [word for word in words if word not in caught.value.message] == []
    assert caught.value.hint
    assert advice in caught.value.hint


def test_the_output_of_another_pipeline_is_refused() -> None:
    kept: list[Any] = []
    pipeline(name="one")(lambda: kept.append(load())).trace()

    for body in (lambda: train(kept[0]), lambda: train(1, after=kept[0])):
        with pytest.raises(GraphError, match="step load, which another pipeline called") as caught:
            pipeline(name="two")(body).trace()
        assert caught.value.message.startswith("Step train")
        assert caught.value.hint


@pytest.mark.parametrize(
    ("call", "words", "advice"),
    [
        (lambda: train.call_entrypoint(), "Step train is called without data", "data="),
        (lambda: train.call_entrypoint(1, rat=1), "Step train has no input rat", "rate"),
        (lambda: train.call_entrypoint(1, rate="x"), "Step train: rate is 'x'", "float"),
    ],
)
def test_call_entrypoint_refuses_arguments_that_do_not_fit(call: Any, words: str, advice: str) -> None:
    with pytest.raises(StepInterfaceError) as caught:
        call()

    assert words in caught.value.message
    assert advice in caught.value.hint


@pytest.mark.parametrize("method", ["submit", "map", "product"])
def test_calls_of_dynamic_pipelines_are_refused_in_a_static_one(method: str) -> None:
    @pipeline(dynamic=False)
    def static() -> None:
        getattr(train, method)(data=[1])

    with pytest.raises(UsageError, match=f"static calls train.{method}, but was taken for a static one") as caught:
        static.trace()

    assert caught.value.hint


def test_parameters_of_a_pipeline_are_refused_by_name() -> None:
    @pipeline
    def nightly(rate: float, layers: int = 2) -> None:
        train(layers, rate=rate)

    cases: dict[str, dict[str, Any]] = {
        "Pipeline nightly is called without rate": {},
        "Pipeline nightly: rate is 'x'": {"rate": "x"},
        "Pipeline nightly has no input layer": {"rate": 1, "layer": 3},
    }
    for words, given in cases.items():
        with pytest.raises(ValueError, match=words) as caught:
            nightly.trace(given)
        assert isinstance(caught.value, UsageError)
        assert caught.value.hint


def test_options_for_steps_that_are_not_there_are_refused() -> None:
    @pipeline
    def nightly() -> None:
        train(1)

    with pytest.raises(ConfigError, match=r"Pipeline nightly has no step trian") as caught:
        nightly.with_options(steps={"trian": {}}).trace()
    assert "train" in caught.value.hint
    with pytest.raises(ConfigError, match=r"Pipeline nightly: steps\['train'\]: timeout is 0"):
        nightly.with_options(steps={"train": {"timeout": 0}})


def test_what_works_only_inside_a_step_says_so_outside() -> None:
    from stepwell import get_step_context, log_metadata

    with pytest.raises(RuntimeError, match=r"get_step_context\(\) works inside a running step"):
        get_step_context()
    with pytest.raises(ValueError, match="log_metadata"):
        log_metadata({"a": 1})
