"""Finding steps and pipelines again in a step process."""

from __future__ import annotations

from typing import Any

import pytest

from stepwell import BaseStep, Pipeline, pipeline, step
from stepwell.errors import UsageError
from stepwell.sdk.resolve import find_pipeline, find_step


class Scale(BaseStep):
    def __init__(self, k: int) -> None:
        self.k = k

    def entrypoint(self, value: int) -> int:
        return value * self.k


def notify(exception: BaseException) -> None: ...


@step
def make(value: int = 1) -> int:
    return value


variant = make.with_options(parameters={"value": 5})


@pipeline(on_failure=notify)
def hooked() -> None:
    make()


@pipeline
def body(k: int = 2) -> None:
    value = make()
    variant()
    Scale(k=k)(value)
    make.with_options(name="inline", on_success=lambda: None)()


nightly = body.with_options(tags=["nightly"])


def payloads(of: Pipeline, **parameters: Any) -> dict[str, dict[str, Any]]:
    plan, _ = of.trace(parameters)
    dumped = plan.model_dump(mode="json")
    return {
        planned["invocation_id"]: {"pipeline": dumped["source"], "parameters": dumped["parameters"], "step": planned}
        for planned in dumped["steps"]
    }


def test_module_level_steps_are_imported_and_others_traced_again() -> None:
    found = payloads(body, k=7)

    assert [payload["step"]["source"]["resolve"] for payload in found.values()] == [
        "import",
        "import",
        "trace",
        "trace",
    ]
    assert find_step(found["make"]) is make
    assert find_step(found["make_2"]) is variant
    assert find_step(found["Scale"]).call_entrypoint(3) == 21
    assert find_step(found["inline"]).name == "inline"


def test_a_step_with_its_pipelines_hooks_is_traced_to_have_them() -> None:
    found = payloads(hooked)["make"]

    assert found["step"]["source"]["resolve"] == "trace"
    assert find_step(found).configuration.on_failure is notify


def test_hooks_that_only_the_script_gave_are_found_by_name() -> None:
    found = payloads(body.with_options(on_failure=notify))["make"]
    resolved = find_step(found)

    assert found["step"]["options"]["hooks"]["on_failure"] == f"{__name__}.notify"
    assert resolved.configuration.on_failure == f"{__name__}.notify"
    assert make.configuration.on_failure is None


def test_pipelines_and_single_steps_are_found() -> None:
    assert find_pipeline({"module": __name__, "qualname": "body"}) is body
    assert find_pipeline(nightly.source.model_dump()) is nightly
    single = find_pipeline({"module": __name__, "qualname": "make"})

    assert single.name == "make"
    assert single.spec().parameters_schema["properties"] == {"value": {"type": "integer", "default": 1}}
    plan, _ = single.trace({"value": 4})
    assert plan.steps[0].options.enable_cache is False


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"module": "no_such_module", "qualname": "x"}, "cannot be imported"),
        ({"module": __name__, "qualname": "gone"}, "has no gone"),
        ({"module": __name__, "qualname": "notify"}, "no pipeline any more"),
        ({"module": __name__, "qualname": "f.<locals>.p", "resolve": "trace"}, "top level"),
    ],
)
def test_what_is_gone_is_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_pipeline(source)


def test_a_call_the_body_no_longer_makes_is_named() -> None:
    payload = payloads(body)["Scale"]
    payload["step"]["invocation_id"] = "Scale_2"

    with pytest.raises(UsageError, match="no longer calls step Scale_2"):
        find_step(payload)
