"""Hooks: which are accepted, what they are called with, and how they are found again."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from stepwell import pipeline, step
from stepwell.errors import ConfigError
from stepwell.sdk import hooks


def on_failure_handler(exception: BaseException) -> None:
    print(exception)


def quiet() -> None:
    pass


class Handler:
    def method(self, exception: BaseException) -> None: ...

    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "hook",
    [
        on_failure_handler,
        quiet,
        lambda exc: None,
        lambda *rest: None,
        functools.partial(on_failure_handler, ValueError()),
        Handler().method,
        Handler(),
        print,
        "tests.sdk.test_hooks.on_failure_handler",
    ],
)
def test_failure_hooks_of_every_kind_are_accepted(hook: Any) -> None:
    made = step(on_failure=hook)(lambda: None)

    assert made.configuration.on_failure == hook


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_failure": lambda a, b: None}, "no argument, or one: the exception"),
        ({"on_end": lambda a, b: None}, "no argument, or one"),
        ({"on_success": lambda result: None}, "It takes no arguments"),
        ({"on_start": on_failure_handler}, "It takes no arguments"),
        ({"on_failure": 3}, "cannot be called"),
        ({"on_failure": "nodots"}, "dotted name"),
    ],
)
def test_other_signatures_are_refused_at_definition(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        step(**options)(lambda: None)  # type: ignore[call-overload]


def test_a_dotted_hook_that_leads_nowhere_is_refused_when_the_pipeline_is_traced() -> None:
    made = step(on_success="no.such.hook")(quiet)
    traced = pipeline(name="p")(lambda: made())

    with pytest.raises(ConfigError, match=r"on_success is 'no\.such\.hook', which cannot be found"):
        traced.trace()


def test_hooks_get_the_exception_only_where_they_take_it() -> None:
    seen: list[Any] = []
    failure = ValueError("x")

    hooks.call_hook("on_failure", seen.append, failure)
    hooks.call_hook("on_failure", lambda: seen.append("none"), failure)
    hooks.call_hook("on_success", lambda: seen.append("success"))

    assert seen == [failure, "none", "success"]


def test_hooks_are_described_by_the_name_that_leads_back() -> None:
    assert hooks.describe(on_failure_handler) == f"{__name__}.on_failure_handler"
    assert hooks.load_hook("on_failure", f"{__name__}.on_failure_handler", owner="x") is on_failure_handler
    assert "test_hooks.py:" in str(hooks.describe(lambda: None))
    assert hooks.describe(functools.partial(quiet)) == f"partial of {__name__}.quiet"


def test_a_pipelines_hooks_are_the_default_of_its_steps() -> None:
    own = step(on_failure=quiet, name="own")(lambda: None)
    other = step(name="other")(lambda: None)

    @pipeline(on_failure=on_failure_handler, on_success="tests.sdk.test_hooks.quiet")
    def p() -> None:
        own()
        other()

    plan, invocations = p.trace()

    assert [planned.options.hooks.on_failure for planned in plan.steps] == [
        f"{__name__}.quiet",
        f"{__name__}.on_failure_handler",
    ]
    assert invocations["other"].step.configuration.on_failure is on_failure_handler
    assert plan.steps[1].options.hooks.on_success == "tests.sdk.test_hooks.quiet"
