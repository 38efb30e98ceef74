"""Importing Stepwell: what is there, under which paths, and how light it is."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import stepwell

HEAVY = ("django", "pydantic", "pandas", "numpy", "asyncio", "cloudpickle", "psutil", "huey", "jsonschema")


def run_python(code: str) -> str:
    root = str(Path(stepwell.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout


def test_importing_loads_nothing_heavy() -> None:
    code = f"import sys; from stepwell import *; print([name for name in {HEAVY} if name in sys.modules])"

    assert run_python(code).strip() == "[]"


def test_defining_steps_and_pipelines_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from stepwell import step, pipeline, StepRetryConfig\n"
        "@step(retry=StepRetryConfig(max_retries=2), settings={'resources': {'memory': '1GB'}})\n"
        "def a(x: int = 1) -> int: return x\n"
        "@pipeline(enable_cache=False)\n"
        "def p(): a()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )

    assert run_python(code).strip() == "[]"


def test_every_public_name_is_there() -> None:
    for name in stepwell.__all__:
        assert getattr(stepwell, name) is not None
    assert set(stepwell.__all__) <= set(dir(stepwell))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'setp'"):
        _ = stepwell.setp  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("stepwell.steps", "BaseStep"),
        ("stepwell.steps", "step"),
        ("stepwell.config.retry_config", "StepRetryConfig"),
        ("stepwell.config", "ResourceSettings"),
        ("stepwell.config", "CachePolicy"),
    ],
)
def test_the_references_import_paths_give_the_same_objects(path: str, name: str) -> None:
    assert getattr(import_module(path), name) is getattr(stepwell, name, None)
