"""Real step processes: forked from a host that imported a real file, supervised, with their logs on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stepwell.core.ids import new_id
from stepwell.engine.logfile import LogWriter
from stepwell.engine.masking import Masker
from stepwell.engine.ports import LaunchSpec, Outcome
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Pace, Supervision, supervise
from stepwell.sdk import host as hosts
from stepwell.sdk.local import load_stored

APPS = str(Path(hosts.__file__).resolve().parents[2])

TRAIN = """
import dataclasses
import sys

import helper
from stepwell import get_step_context, log_metadata, log_progress, pipeline, step

print("imported", __name__)
print("and to stderr", file=sys.stderr)


@dataclasses.dataclass
class Config:
    rate: float


@step
def load(count: int = 3) -> list[int]:
    print("loading", count)
    return list(range(count))


@step(on_success=lambda: print("hook ran"))
def configure(rate: float) -> Config:
    return Config(rate)


@step
def train(data: list[int], config: Config) -> float:
    assert type(config) is Config, type(config)
    log_metadata({"rows": len(data)})
    log_progress(1, 2, "half")
    print("training", get_step_context().pipeline_run.name)
    return helper.total(data) * config.rate


@step
def broken() -> int:
    print("about to break")
    return helper.total(None)


@step
def dies() -> int:
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)


@step
def leaves_things() -> int:
    import atexit, threading, time
    threading.Thread(target=lambda: (time.sleep(0.2), print("thread done"))).start()
    atexit.register(print, "at exit")
    return 1


@pipeline
def training(count: int = 3, rate: float = 0.5):
    train(load(count), configure(rate))


@pipeline
def needs(count: int):
    load(count)


@pipeline
def bad(count: int = 1):
    load(count, count)


run = training()
print(run.status)
"""

PART = """
from stepwell import pipeline, step

from .near import total


@step
def load() -> int:
    return total([1, 2])


@pipeline
def flow():
    load()
"""

HELPER = """
def total(numbers):
    return sum(numbers)
"""


class Watcher:
    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.results: list[Outcome] = []

    def started(self, *, pid: int) -> None: ...

    def beat(self, *, progress: dict[str, Any] | None, log_bytes: int, log_lines: int) -> str:
        return "go"

    def frame(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        self.frames.append(frame)
        return None

    def result(self, outcome: Outcome) -> None:
        self.results.append(outcome)


class Project:
    """A folder with a file of steps, the host that imported it, and what ran in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.artifacts = folder.parent / "artifacts"
        self.host: StepHost | None = None
        self.watcher = Watcher()
        self.log = ""
        self.outcome: Outcome | None = None

    def start(self, entry: str = "train.py") -> None:
        command = hosts.command(root=self.folder, entry=entry)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": APPS}
        self.host = StepHost.spawn(command, environment=environment, work_folder=str(self.folder))

    def launch(self, kind: str, **payload: Any) -> dict[str, Any]:
        """Run one process of this kind and return its result frame."""
        assert self.host is not None
        attempt = str(new_id())
        log_file = self.folder.parent / f"{attempt}.log"
        spec = LaunchSpec(
            kind=kind, attempt_id=attempt, payload={"kind": kind, **payload}, environment={"PATH": os.environ["PATH"]}
        )
        log = LogWriter(log_file)
        self.watcher = Watcher()
        pace = Pace(beat=0.2, lease=5, grace=0.5, hook=2)
        self.outcome = supervise(
            Supervision(self.host, spec, log=log, masker=Masker(()), watcher=self.watcher, pace=pace, timeout=20)
        )
        log.seal()
        self.log = log_file.read_text() if log_file.exists() else ""
        return self.watcher.results[0].result

    def run_step(self, planned: dict[str, Any], inputs: dict[str, Any], **payload: Any) -> dict[str, Any]:
        return self.launch(
            "step",
            pipeline={"module": "train", "qualname": "training", "resolve": "import"},
            parameters={},
            step=planned,
            inputs=inputs,
            artifact_root=str(self.artifacts),
            output_folder=f"run/{planned['invocation_id']}/1",
            last_attempt=True,
            context={"run_name": "first"},
            **payload,
        )

    def run_named(self, name: str, **payload: Any) -> dict[str, Any]:
        """Run a step of the file that takes no inputs."""
        source = {"module": "train", "qualname": name, "resolve": "import"}
        return self.run_step({"invocation_id": name, "source": source, "outputs": [{"name": "output"}]}, {}, **payload)


@pytest.fixture
def make_project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    made: list[Project] = []

    def make(*, entry: str = "train.py", files: dict[str, str] | None = None, **modules: str) -> Project:
        folder = tmp_path / "project"
        folder.mkdir()
        modules = {"train": TRAIN, "helper": HELPER} | modules
        for name, content in {**{f"{name}.py": text for name, text in modules.items()}, **(files or {})}.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content)
        project = Project(folder)
        made.append(project)
        project.start(entry)
        return project

    yield make
    for project in made:
        if project.host is not None:
            project.host.close()


def resolve(binding: dict[str, Any], done: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if binding["kind"] == "output":
        output = next(one for one in done[binding["step"]]["outputs"] if one["name"] == binding["name"])
        return {**output, "kind": "stored", "id": "1"}
    return {"kind": "value", "value": binding["value"]}


def test_a_file_is_registered_planned_and_run_step_by_step(make_project: Callable[..., Project]) -> None:
    project = make_project()

    found = project.launch("discover")
    assert sorted(spec["name"] for spec in found["specs"]) == ["needs", "training"]
    assert len(found["skipped"]) == 2
    assert found["skipped"][0].startswith("bad: stepwell.errors.StepInterfaceError")
    assert project.log.startswith("imported train\nand to stderr\n")
    assert found["skipped"][1].startswith("train.py was read up to train.py:")
    assert "Traceback" not in project.log

    source = next(spec["source"] for spec in found["specs"] if spec["name"] == "training")
    plan = project.launch("plan", pipeline=source, parameters={"count": 4}, run_name="first")["plan"]
    assert plan["run_name"] == "first"
    assert "imported" not in project.log

    done: dict[str, dict[str, Any]] = {}
    logs: dict[str, str] = {}
    for planned in sorted(plan["steps"], key=lambda step: len(step["upstream"])):
        inputs = {name: resolve(binding, done) for name, binding in planned["inputs"].items()}
        done[planned["invocation_id"]] = project.run_step(planned, inputs)
        logs[planned["invocation_id"]] = project.log
        if planned["invocation_id"] == "configure":
            assert next(frame for frame in project.watcher.frames if frame["t"] == "hook")["ok"] is True

    (score,) = done["train"]["outputs"]
    assert load_stored(score, project.artifacts) == 3.0
    assert logs["load"] == "loading 4\n"
    assert logs["configure"] == "hook ran\n"
    assert logs["train"] == "training first\n"
    assert {"t": "metadata", "metadata": {"rows": 4}, "infer_artifact": False, "artifact_name": None} in (
        project.watcher.frames
    )


def test_a_failing_step_tells_the_users_line(make_project: Callable[..., Project]) -> None:
    project = make_project()
    project.run_named("broken")
    outcome = project.watcher.results[0]

    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.type == "TypeError"
    assert outcome.error.where == "helper.py:3, total()"
    assert outcome.error.traceback.splitlines()[1].strip().startswith(f'File "{project.folder}/train.py"')
    assert "about to break\n" in project.log
    assert outcome.error.traceback in project.log


def test_a_killed_step_is_a_crash_and_the_next_one_runs(make_project: Callable[..., Project]) -> None:
    project = make_project()
    project.run_named("dies")
    assert project.watcher.results[0].status == "crashed"

    project.run_named("load")
    assert project.watcher.results[0].status == "completed"


def test_what_python_does_at_exit_is_done_after_the_result(make_project: Callable[..., Project]) -> None:
    project = make_project()
    project.run_named("leaves_things")

    assert project.watcher.results[0].status == "completed"
    assert project.log.endswith("thread done\nat exit\n")


def test_an_import_that_fails_is_told_by_every_attempt(make_project: Callable[..., Project]) -> None:
    project = make_project(helper="import nowhere_at_all\n")

    for _ in range(2):
        project.run_named("load")
        outcome = project.watcher.results[0]
        assert outcome.status == "failed"
        assert outcome.error is not None
        assert outcome.error.type == "ModuleNotFoundError"
        assert outcome.error.where == "helper.py:1, <module>()"
        assert outcome.error.retryable is False
        assert "nowhere_at_all" in project.log


def test_files_named_like_standard_modules_do_not_become_ours(make_project: Callable[..., Project]) -> None:
    stray = "raise RuntimeError('a file of the user was imported by us')\n"
    project = make_project(asyncio=stray, logging=stray, argparse=stray, base64=stray, traceback=stray, uuid=stray)
    project.run_named("load")

    assert project.watcher.results[0].status == "completed", project.log


def test_a_file_with_the_name_of_a_needed_module_is_refused_with_a_reason(make_project: Callable[..., Project]) -> None:
    project = make_project(entry="logging.py", logging="x = 1\n")
    project.launch("discover")
    error = project.watcher.results[0].error

    assert error is not None
    assert "logging.py has the name of a module" in error.message


def test_a_host_has_one_thread_and_steps_may_ask_for_more(make_project: Callable[..., Project]) -> None:
    pytest.importorskip("threadpoolctl")
    source = """
import os
import numpy
from stepwell import step

threads = len(os.listdir("/proc/self/task"))


@step
def count() -> dict[str, int]:
    import threadpoolctl
    return {"host": threads, "blas": max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())}
"""
    project = make_project(train=source)
    (output,) = project.run_named("count")["outputs"]
    assert load_stored(output, project.artifacts) == {"host": 1, "blas": 1}

    planned = {
        "invocation_id": "more",
        "source": {"module": "train", "qualname": "count", "resolve": "import"},
        "options": {"settings": {"resources": {"cpu_count": 2}}},
    }
    (output,) = project.run_step(planned, {})["outputs"]
    assert load_stored(output, project.artifacts) == {"host": 1, "blas": 2}


def test_a_file_in_a_package_is_imported_as_its_module(make_project: Callable[..., Project]) -> None:
    files = {"parts/__init__.py": "", "parts/near.py": HELPER, "parts/flow.py": PART}
    project = make_project(entry="parts/flow.py", files=files)
    found = project.launch("discover")

    assert [spec["source"]["module"] for spec in found["specs"]] == ["parts.flow"]
