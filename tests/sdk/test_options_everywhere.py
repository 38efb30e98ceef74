"""Each option is taken by the decorator, the constructor, ``configure`` and ``with_options``, and reads back alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stepwell import BaseMaterializer, BaseStep, CachePolicy, GroupInfo, Model, ResourceSettings, StepRetryConfig, step
from stepwell.core.options import STEP_OPTIONS
from stepwell.sdk.kinds import StepRuntime


def told(exception: BaseException) -> None: ...
def cheered() -> None: ...


class Own(BaseMaterializer):
    SKIP_REGISTRATION = True

    def save(self, data: Any) -> None: ...
    def load(self, data_type: type[Any]) -> Any: ...


#: option -> what is given, how it reads, and another value
VALUES: dict[str, tuple[Any, Any, Any]] = {
    "name": ("mine", "mine", "yours"),
    "step_type": ("trainer", "trainer", "other"),
    "enable_cache": (False, False, True),
    "enable_artifact_metadata": (False, False, True),
    "enable_artifact_visualization": (False, False, True),
    "enable_step_logs": (False, False, True),
    "experiment_tracker": ("mlflow", "mlflow", False),
    "step_operator": (False, False, "gpu"),
    "parameters": ({"rate": 1}, {"rate": 1.0}, {"layers": 3}),
    "output_materializers": (Own, {"output": [Own]}, {"output": "other.Own"}),
    "environment": ({"A": 1}, {"A": "1"}, {"B": 2}),
    "secrets": (["a"], ["a"], ["b"]),
    "settings": (
        {"resources": ResourceSettings(cpu_count=2)},
        {"resources": {"cpu_count": 2}},
        {"resources": {"memory": "1GB"}},
    ),
    "extra": ({"a": {"b": 1}}, {"a": {"b": 1}}, {"a": {"c": 2}}),
    "on_failure": (told, told, "mod.other"),
    "on_success": (cheered, cheered, "mod.other"),
    "on_start": (cheered, cheered, "mod.other"),
    "on_end": (told, told, "mod.other"),
    "model": (Model(name="m"), Model(name="m"), Model(name="n")),
    "retry": (StepRetryConfig(max_retries=3), StepRetryConfig(max_retries=3), {"delay": 2}),
    "substitutions": ({"a": 1}, {"a": "1"}, {"b": 2}),
    "cache_policy": (
        CachePolicy(expires_after=5),
        CachePolicy(expires_after=5),
        CachePolicy(include_step_code=False),
    ),
    "runtime": ("inline", StepRuntime.INLINE, StepRuntime.ISOLATED),
    "heartbeat_healthy_threshold": (10, 10, 60),
    "group": ("night", GroupInfo(name="night"), GroupInfo(name="day")),
    "timeout": ("1m", 60, 5),
}


class Constructed(BaseStep):
    def entrypoint(self, rate: float = 0.1, layers: int = 2) -> int:
        return layers


def made(**options: Any) -> BaseStep:
    found: BaseStep = step(**options)(Constructed.entrypoint_function)  # type: ignore[attr-defined]
    return found


def entrypoint(rate: float = 0.1, layers: int = 2) -> int:
    return layers


Constructed.entrypoint_function = staticmethod(entrypoint)  # type: ignore[attr-defined]


def read(found: BaseStep, option: str) -> Any:
    return found.name if option == "name" else getattr(found.configuration, option)


def plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else value


def check(make: Callable[..., BaseStep], option: str) -> BaseStep:
    given, expected, _ = VALUES[option]
    found = make(**{option: given})
    assert plain(read(found, option)) == expected
    return found


def test_every_option_is_tried() -> None:
    assert set(VALUES) >= set(STEP_OPTIONS)


@pytest.mark.parametrize("option", VALUES)
@pytest.mark.parametrize("make", [made, Constructed], ids=["decorator", "constructor"])
def test_decorator_and_constructor_take_every_option(make: Callable[..., BaseStep], option: str) -> None:
    check(make, option)


@pytest.mark.parametrize("option", VALUES)
def test_configure_takes_every_option(option: str) -> None:
    mine = made()

    assert check(mine.configure, option) is mine


@pytest.mark.parametrize("option", VALUES)
def test_with_options_takes_every_option(option: str) -> None:
    mine = made()
    before = plain(read(mine, option))

    assert check(mine.with_options, option) is not mine
    assert plain(read(mine, option)) == before


@pytest.mark.parametrize("option", VALUES)
def test_none_leaves_every_option(option: str) -> None:
    mine = check(made, option)

    assert plain(read(mine.with_options(**{option: None}), option)) == VALUES[option][1]


@pytest.mark.parametrize("option", VALUES)
def test_without_merge_each_given_option_replaces_the_old_value(option: str) -> None:
    given, _, other = VALUES[option]
    replaced = made(**{option: given}).with_options(**{option: other}, merge=False)
    fresh = made(**{option: other})

    assert plain(read(replaced, option)) == plain(read(fresh, option))


@pytest.mark.parametrize(
    ("option", "merged"),
    [
        ("parameters", {"rate": 1.0, "layers": 3}),
        ("environment", {"A": "1", "B": "2"}),
        ("secrets", ["a", "b"]),
        ("settings", {"resources": {"cpu_count": 2, "memory": "1GB"}}),
        ("extra", {"a": {"b": 1, "c": 2}}),
        ("substitutions", {"a": "1", "b": "2"}),
        ("retry", StepRetryConfig(max_retries=3, delay=2)),
        ("cache_policy", CachePolicy(expires_after=5, include_step_code=False)),
        ("group", GroupInfo(name="day")),
        ("model", Model(name="n")),
        ("on_failure", "mod.other"),
        ("runtime", StepRuntime.ISOLATED),
    ],
)
def test_merge_adds_to_what_was_there_or_replaces_it(option: str, merged: Any) -> None:
    given, _, other = VALUES[option]

    assert plain(read(made(**{option: given}).with_options(**{option: other}), option)) == merged
