"""A script that forks its own step host, as ``python train.py`` and as ``python -m package.train``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stepwell.sdk import host as hosts

APPS = str(Path(hosts.__file__).resolve().parents[2])

SCRIPT = """
import dataclasses, json, sys
from types import SimpleNamespace

from stepwell import step, pipeline
from stepwell.engine.logfile import LogWriter
from stepwell.engine.masking import Masker
from stepwell.engine.ports import LaunchSpec
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Pace, Supervision, supervise
from stepwell.sdk.child import child_main
from stepwell.sdk.local import load_stored
from pathlib import Path
import functools

root = Path(sys.argv[1])


@dataclasses.dataclass
class Config:
    rate: float


class Thing:
    def __init__(self, value):
        self.value = value


def work():
    k = 5

    @step
    def make() -> tuple[Config, Thing]:
        return Config(0.5), Thing(k)

    @step
    def use(config: Config, thing: Thing) -> float:
        assert type(config) is Config and type(thing) is Thing
        return config.rate * thing.value

    @pipeline
    def local():
        use(*make())

    return local


class Watcher:
    def started(self, *, pid): pass
    def beat(self, **_): return "go"
    def frame(self, frame): return None
    def result(self, outcome): pass


plan, invocations = work().trace()
host = StepHost.fork(functools.partial(child_main, invocations=invocations))
done = {}
for planned in plan.model_dump(mode="json")["steps"]:
    name = planned["invocation_id"]
    inputs = {
        key: {**next(one for one in done[b["step"]] if one["name"] == b["name"]), "kind": "stored", "id": ""}
        for key, b in planned["inputs"].items()
    }
    payload = {"kind": "step", "pipeline": {}, "parameters": {}, "step": planned, "inputs": inputs,
               "artifact_root": str(root / "artifacts"), "output_folder": f"run/{name}/1", "context": {}}
    spec = LaunchSpec(kind="step", attempt_id=name, payload=payload, environment={})
    outcome = supervise(Supervision(host, spec, log=LogWriter(root / f"{name}.log"), masker=Masker(()),
                                    watcher=Watcher(), pace=Pace(), timeout=20))
    assert outcome.status == "completed", outcome
    done[name] = outcome.result["outputs"]
host.close()
things = [load_stored(one, root / "artifacts") for one in done["make"]]
assert [type(thing) for thing in things] == [Config, Thing]
print(json.dumps(load_stored(done["use"][0], root / "artifacts")))
"""


@pytest.mark.parametrize("how", [["{folder}/package/train.py"], ["-m", "package.train"]], ids=["file", "module"])
def test_a_script_forks_its_own_host_and_its_classes_stay_the_same(how: list[str], tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/train.py").write_text(SCRIPT)
    command = [part.format(folder=tmp_path) for part in how]
    ran = subprocess.run(
        [sys.executable, *command, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": APPS},
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == 2.5
