"""What a step's cache key covers."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import stepwell
from stepwell import CachePolicy, pipeline, step
from stepwell.errors import ConfigError

SCRIPT = """
from stepwell import BaseStep, step, pipeline, CachePolicy
from stepwell.sdk.retry import StepRetryConfig
import support_{n}

LIMIT = {{"a", "b", "c"}}
RATE = 0.5
NAME = __name__

def inner(x):
    return x + RATE

def helper(x):
    return inner(x) if x in LIMIT else support_{n}.scale(x)

class Scale(BaseStep):
    def __init__(self, k): self.k = k
    def entrypoint(self, x: int) -> int:
        return x * self.k

@step
def compute(x: int, lr: float = 0.1) -> float:
    print(NAME, __file__)
    return helper(x)

@pipeline
def p(k: int = 2, lr: float = 0.1):
    compute(Scale(k=k)(3), lr=lr)
"""
SUPPORT = "FACTOR = 2\n\ndef scale(x):\n    return x * FACTOR\n\ndef unused():\n    return 1\n"


class Project:
    """Scripts written to a folder and imported under a new name each time."""

    count = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, old: str = "", new: str = "", *, in_support: bool = False) -> ModuleType:
        Project.count += 1
        script, support = SCRIPT.format(n=Project.count), SUPPORT
        if old:
            assert old in (support if in_support else script)
        script = script if in_support else script.replace(old, new)
        support = support.replace(old, new) if in_support else support
        (self.folder / f"support_{Project.count}.py").write_text(support)
        (self.folder / f"made_{Project.count}.py").write_text(script)
        importlib.invalidate_caches()
        return importlib.import_module(f"made_{Project.count}")

    def parts(self, *changes: str, in_support: bool = False, **parameters: Any) -> dict[str, dict[str, str]]:
        return parts_of(self.load(*changes, in_support=in_support).p, **parameters)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Project(tmp_path)


def parts_of(body: Any, **parameters: Any) -> dict[str, dict[str, str]]:
    steps = {}
    for planned in body.trace(parameters)[0].steps:
        numbers = {str(number): "N" for number in range(Project.count + 1, -1, -1)}
        steps[planned.invocation_id] = {rename(name, numbers): part for name, part in planned.cache_parts.items()}
    return steps


def rename(name: str, numbers: dict[str, str]) -> str:
    for module in ("made_", "support_"):
        for number in numbers:
            name = name.replace(f"{module}{number}", f"{module}N")
    return name


def changed(old: dict[str, str], new: dict[str, str]) -> set[str]:
    # The support module's name differs from one load to the next, and with it the text of what names it.
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} - {"helper made_N.helper"}


def test_the_same_script_has_the_same_parts(project: Project) -> None:
    assert changed(project.parts()["compute"], project.parts()["compute"]) == {"constant made_N.NAME"}


def test_helpers_and_constants_it_reaches_are_parts_and_others_are_not(project: Project) -> None:
    names = set(project.parts()["compute"])

    assert names >= {
        "code",
        "parameter lr",
        "helper made_N.helper",
        "helper made_N.inner",
        "constant made_N.LIMIT",
        "constant made_N.RATE",
        "helper support_N.scale",
        "constant support_N.FACTOR",
    }
    assert not any("unused" in name or "stepwell" in name or "__" in name for name in names)


@pytest.mark.parametrize(
    ("old", "new", "in_support", "part"),
    [
        ("return helper(x)", "return helper(x) + 1", False, "code"),
        ("return x + RATE", "return x - RATE", False, "helper made_N.inner"),
        ("RATE = 0.5", "RATE = 0.6", False, "constant made_N.RATE"),
        ("FACTOR = 2", "FACTOR = 3", True, "constant support_N.FACTOR"),
        ("x * FACTOR", "x / FACTOR", True, "helper support_N.scale"),
    ],
)
def test_a_change_shows_in_its_own_part(project: Project, old: str, new: str, in_support: bool, part: str) -> None:
    before, after = project.parts()["compute"], project.parts(old, new, in_support=in_support)["compute"]

    assert changed(before, after) - {"constant made_N.NAME"} == {part}


def test_options_in_the_decorator_and_unused_code_do_not_count(project: Project) -> None:
    before = project.parts()["compute"]
    retried = project.parts("@step\n", "@step(retry=StepRetryConfig(max_retries=4), timeout=9)\n")["compute"]
    other = project.parts("return 1", "return 2", in_support=True)["compute"]

    assert changed(before, retried) == changed(before, other) == {"constant made_N.NAME"}


def test_parameters_and_instance_state_count(project: Project) -> None:
    module = project.load()
    before, after = parts_of(module.p), parts_of(module.p, k=3, lr=0.2)

    assert changed(before["compute"], after["compute"]) == {"parameter lr"}
    assert changed(before["Scale"], after["Scale"]) == {"attribute k"}


def test_instance_state_that_cannot_be_compared_never_counts_as_equal(project: Project) -> None:
    module = project.load()
    made = module.Scale(k=lambda: 1)
    body = pipeline(name="p")(lambda: made(1))

    assert parts_of(body)["Scale"]["attribute k"] != parts_of(body)["Scale"]["attribute k"]


def test_a_policy_leaves_out_what_it_says(project: Project) -> None:
    module = project.load()

    def names(**fields: Any) -> set[str]:
        changed_step = module.compute.with_options(cache_policy=CachePolicy(**fields))
        return set(parts_of(pipeline(name="p")(lambda: changed_step(1)))["compute"])

    everything = names()
    assert everything - names(include_dependencies=False) == {
        name for name in everything if name.startswith(("helper", "constant"))
    }
    assert "code" not in names(include_step_code=False)
    assert everything - names(ignored_inputs=["lr"]) == {"parameter lr"}
    assert everything - names(include_step_parameters=False) == {"parameter lr", "parameter x"}
    with pytest.raises(ConfigError, match="ignores the input learning"):
        names(ignored_inputs=["learning"])


def test_a_policy_adds_files_sources_and_results(project: Project, tmp_path: Path) -> None:
    module = project.load()
    (tmp_path / "prices.csv").write_text("1")

    def parts(**fields: Any) -> dict[str, str]:
        body = module.p.with_options(cache_policy=CachePolicy(**fields))
        return parts_of(body)["compute"]

    def with_file() -> str:
        return parts(file_dependencies=["prices.csv"])["file prices.csv"]

    before = with_file()
    (tmp_path / "prices.csv").write_text("2")
    assert with_file() != before
    assert parts(cache_func=lambda: 1)["cache_func"] != parts(cache_func=lambda: 1.0)["cache_func"]
    assert f"source {module.__name__}.inner".replace(str(Project.count), "N") in parts(
        source_dependencies=[f"{module.__name__}.inner"]
    )
    with pytest.raises(ConfigError, match=r"missing\.csv, which does not exist"):
        parts(file_dependencies=["missing.csv"])
    with pytest.raises(ConfigError, match="outside of"):
        parts(file_dependencies=["../prices.csv"])


def test_environment_and_secret_names_count() -> None:
    @step
    def plain(x: int = 1) -> int:
        return x

    @pipeline
    def p() -> None:
        plain()
        plain.with_options(environment={"A": 1})()
        plain.with_options(secrets=["db"])()

    first, environment, secret = parts_of(p).values()

    assert changed(first, environment) == {"environment"}
    assert changed(first, secret) == {"secrets"}


def test_constants_among_outputs_of_a_list_count_and_step_ids_do_not() -> None:
    @step
    def make() -> int:
        return 1

    @step
    def take(items: list[Any]) -> None: ...

    @pipeline
    def p() -> None:
        one, other = make(), make()
        take([one, 1])
        take([other, 1])
        take([one, 2])

    parts = parts_of(p)

    assert parts["take"]["parameter items"] == parts["take_2"]["parameter items"]
    assert parts["take"]["parameter items"] != parts["take_3"]["parameter items"]


def test_script_and_step_host_agree_whatever_the_hash_seed(tmp_path: Path) -> None:
    (tmp_path / "support_0.py").write_text(SUPPORT)
    lines = (
        "if __name__ == '__main__':\n    import json; print(json.dumps([s.cache_parts for s in p.trace()[0].steps]))"
    )
    script = SCRIPT.format(n=0).replace("NAME = __name__", "NAME = 1")
    (tmp_path / "train.py").write_text(f"{script}\n{lines}\n")
    as_host = textwrap.dedent(
        """
        import json, sys
        sys.path.insert(0, sys.argv[1])
        import train
        print(json.dumps([s.cache_parts for s in train.p.trace()[0].steps]))
        """
    )
    environment = {"PYTHONPATH": str(Path(stepwell.__file__).parents[1]), "PATH": os.environ.get("PATH", "")}
    outputs = set()
    for seed, command in (("1", [str(tmp_path / "train.py")]), ("2", ["-c", as_host, str(tmp_path)])):
        done = subprocess.run(
            [sys.executable, *command],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        outputs.add(done.stdout)

    assert len(outputs) == 1
    assert "helper train.helper" in outputs.pop()
