"""The two places a pipeline runs in, a script and the runner, on one instance, with one way to read what happened."""

from __future__ import annotations

import json
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.commands import told
from tests.processes.instance import RunningInstance

FILES = Path(__file__).parent / "files"
PLACES = ("script", "runner")

Case = tuple[str, dict[str, Any]]


@dataclass(kw_only=True)
class Ran:
    """A run that has ended. ``error``: class, message and notes of what the call raised in a script."""

    instance: RunningInstance
    number: int
    error: list[str] = field(default_factory=list)

    @cached_property
    def run(self) -> dict[str, Any]:
        return self.instance.run(self.number)

    @property
    def status(self) -> str:
        return str(self.run["status"])

    @cached_property
    def steps(self) -> dict[str, dict[str, Any]]:
        return self.instance.steps(self.number)

    @property
    def statuses(self) -> dict[str, str]:
        return {name: step["status"] for name, step in self.steps.items()}

    def options(self, step: str) -> dict[str, Any]:
        return dict(self.steps[step]["options"])

    def log(self, step: str, attempt: int = 1) -> str:
        return self.instance.log(self.number, step, attempt)

    def told(self, step: str, attempt: int | None = None) -> Any:
        """Return what a step printed as JSON after ``told:``, the last one of its last attempt."""
        # A driver may be run again, by a machine that is busy: it then says all of it again.
        number = attempt or len(self.steps[step]["attempts"])
        return json.loads(re.findall(r"told: (.*)", self.log(step, number))[-1])

    def failure(self, step: str) -> str:
        attempt = self.steps[step]["attempts"][-1]
        return f"{attempt['error_type']}: {attempt['error_message']}"

    def artifacts(self, step: str) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the step's inputs and outputs by direction and name."""
        answer = self.instance.api.get(f"/runs/{self.number}/steps/{step}/artifacts")
        return {(one["direction"], one["name"]): one for one in answer.json()["items"]}

    def output(self, step: str, name: str = "output") -> dict[str, Any]:
        return self.artifacts(step)["output", name]

    def paths(self, step: str) -> list[Path]:
        """Return the files the step stored."""
        home = Path(self.instance.commands.environment["STEPWELL_HOME"])
        folder = home / "artifacts" / self.run["id"] / self.steps[step]["id"]
        return [path for path in folder.rglob("*") if path.is_file()]

    def files(self, step: str) -> set[str]:
        """Return the names of the files the step stored."""
        return {path.name for path in self.paths(step)}

    def events(self, kind: str) -> list[dict[str, Any]]:
        answer = self.instance.api.get(f"/runs/{self.number}/events")
        return [event["payload"] for event in answer.json()["items"] if event["kind"] == kind]


class Both:
    """Runs the cases of each file in both places once, several files at a time."""

    def __init__(self, instance: RunningInstance, cases: dict[str, list[Case]]) -> None:
        self.instance = instance
        self._cases = cases
        # One place goes through the files forwards, the other one backwards: an explanation compares with the latest
        # run, which should be one of the same place.
        self._locks = {file: threading.Lock() for file in cases}
        self._pool = ThreadPoolExecutor(2)
        orders = zip(cases, reversed(cases), strict=True)
        lots = [lot for pair in orders for lot in zip(PLACES, pair, strict=True)]
        self._lots = {lot: self._pool.submit(self._run_lot, *lot) for lot in lots}

    def ran(self, place: str, file: str, number: int = 0) -> Ran:
        """Return the ``number``-th case of a file as it ran in ``place``."""
        return self._lots[place, file].result()[number]

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run_now(self, place: str, file: str, cases: list[Case]) -> list[Ran]:
        """Run cases of a file once more, by themselves."""
        return self._script(file, cases) if place == "script" else self._runner(cases)

    def _run_lot(self, place: str, file: str) -> list[Ran]:
        with self._locks[file]:
            return self.run_now(place, file, self._cases[file])

    def _script(self, file: str, cases: list[Case]) -> list[Ran]:
        done = self.instance.commands.python(f"{file}.py", json.dumps(cases).replace("PLACE", "script"))
        lines = [json.loads(line) for line in re.findall(r"^@@(.*)$", done.stdout, re.MULTILINE)]
        assert len(lines) == len(cases), told(done)
        assert all(line["number"] for line in lines), lines
        return [Ran(instance=self.instance, number=line["number"], error=line.get("error", [])) for line in lines]

    def _runner(self, cases: list[Case]) -> list[Ran]:
        ended = []
        for pipeline, parameters in json.loads(json.dumps(cases).replace("PLACE", "runner")):
            run = self.instance.start(pipeline, parameters=parameters)
            self.instance.wait_for(run["id"])
            ended.append(Ran(instance=self.instance, number=run["number"]))
        return ended


def copy_files(folder: Path) -> None:
    for path in FILES.iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)
