"""The operator ``subprocess``: a fresh interpreter with an environment of its own, for one attempt."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from stepwell.engine import trees
from stepwell.engine.stephost import StepHost
from stepwell.errors import ConfigError
from stepwell.execution import hosts
from stepwell.execution.operators.interface import Handle, Phase, Printed, Submission

#: what a fresh environment takes over from the runner's: where programs and people's files are, and how text is read
_PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR")
_CHECK_SECONDS = 60
_CHECK = "import sys; assert sys.version_info >= (3, 11), 'Python 3.11 or newer'; import pydantic, cloudpickle"


@dataclass(slots=True, kw_only=True)
class HostHandle(Handle):
    host: StepHost
    is_closed: bool = False


class SubprocessOperator:
    """Starts a step host of its own for each attempt, with the interpreter and variables of the component."""

    def __init__(self, *, name: str, config: dict[str, Any]) -> None:
        self._name = name
        self._python = str(config.get("python") or sys.executable)
        self._variables: dict[str, str] = dict(config.get("environment") or {})

    def environment(self) -> dict[str, str]:
        passed = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith("LC_")}
        # The programs of a virtual environment are found first, as when it is activated.
        search = os.pathsep.join([os.path.dirname(self._python), passed.get("PATH", os.defpath)])
        return {**passed, "PATH": search, "PYTHONUNBUFFERED": "1", **self._variables}

    def check(self) -> None:
        """Accept an interpreter that can run a step.

        Raises:
            ConfigError: It is not there, or lacks what a step process needs.
        """
        try:
            stamp = os.stat(self._python).st_mtime_ns
        except OSError:
            stamp = 0
        if problem := "" if self._python == sys.executable else _interpreter_problem(self._python, stamp):
            raise ConfigError(
                f"The step operator {self._name} cannot use {self._python}: {problem}.",
                hint=f"Install Stepwell there ({self._python} -m pip install stepwell), or change the component.",
            )

    def submit(self, submission: Submission) -> HostHandle:
        launch = submission.launch
        variables = {name: value for name, value in launch.environment.items() if name != trees.MARKER}
        search_path = [folder for folder in variables.get("PYTHONPATH", "").split(os.pathsep) if folder]
        command = hosts.host_command(root=submission.code_root, entry_file=submission.entry_file)
        host = StepHost.spawn(
            [self._python, *command[1:], *(word for folder in search_path for word in ("--path", folder))],
            environment={**variables, "PYTHONPATH": str(_import_folder())},
            work_folder=str(submission.code_root),
        )
        try:
            return HostHandle(attempt_id=launch.attempt_id, channels=host.launch(launch), host=host)
        except BaseException:
            host.close()
            raise

    def poll(self, handle: Handle) -> Phase:
        assert isinstance(handle, HostHandle)
        return Phase.ENDED if handle.is_closed or not handle.host.alive else Phase.RUNNING

    def cancel(self, handle: Handle) -> None:
        assert isinstance(handle, HostHandle)
        if handle.is_closed:
            return
        # With a host that died the kernel ended the step, but not what the step had started.
        if handle.host.alive or handle.host.end_left_behind(session=0, attempt_id=handle.attempt_id):
            handle.host.close()
            handle.is_closed = True

    def logs(self, handle: Handle, cursor: int = 0) -> Printed:
        assert isinstance(handle, HostHandle)
        content = handle.host.last_words()[cursor:]
        return Printed(content=content, cursor=cursor + len(content))


def _import_folder() -> Path:
    """Return a folder that holds Stepwell and nothing else: another interpreter has packages of its own."""
    package = Path(__file__).resolve().parents[2]
    if package.parent.name not in {"site-packages", "dist-packages"}:
        return package.parent
    folder = Path(settings.HOME) / "operators"
    link = folder / package.name
    if not link.is_symlink() or link.resolve() != package:
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder)) / package.name
        draft.symlink_to(package, target_is_directory=True)
        draft.replace(link)
        draft.parent.rmdir()
    return folder


@lru_cache(maxsize=64)
def _interpreter_problem(python: str, _stamp: int) -> str:
    """Return why an interpreter cannot run a step, or nothing."""
    try:
        done = subprocess.run(
            [python, "-P", "-c", _CHECK],
            env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except OSError as exc:
        return (exc.strerror or "it cannot be started").lower()
    except subprocess.TimeoutExpired:
        return f"it did not answer within {_CHECK_SECONDS} seconds"
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines()
    return said[-1][:300] if said else f"it ended with exit code {done.returncode}"
