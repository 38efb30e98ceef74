"""Step operators: what starts, with which environment, and how the supervisor's side drives one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stepwell.engine.ports import LaunchSpec
from stepwell.errors import ConfigError
from stepwell.execution import operators
from stepwell.execution.operators import subprocess_operator
from stepwell.execution.operators.interface import Handle, OperatorHost, Phase, Printed
from stepwell.execution.operators.subprocess_operator import SubprocessOperator
from stepwell.pipelines.models import Snapshot
from stepwell.stacks.opening import Opened

SPEC = LaunchSpec(kind="step", attempt_id="a1", payload={}, environment={"A": "1"})


class Fake:
    """An operator that keeps what is asked of it; ``stubborn`` cancellations are needed before an attempt ends."""

    def __init__(self, stubborn=1):
        self.submitted, self.cancelled, self.stubborn = [], [], stubborn

    def environment(self):
        return {}

    def submit(self, submission):
        self.submitted.append(submission)
        return Handle(attempt_id=submission.launch.attempt_id, channels=f"channels {len(self.submitted)}")

    def poll(self, handle):
        return Phase.ENDED if self.cancelled.count(handle.channels) >= self.stubborn else Phase.RUNNING

    def cancel(self, handle):
        self.cancelled.append(handle.channels)

    def logs(self, handle, cursor=0):
        return Printed(content=f"words of {handle.channels}"[cursor:].encode(), cursor=99)


def test_a_supervisor_drives_an_operator_as_a_step_host():
    operator = Fake(stubborn=2)
    host = OperatorHost(operator, code_root=Path("/code"), entry_file="train.py")
    assert host.last_words() == b""

    assert host.launch(SPEC) == "channels 1"
    (submission,) = operator.submitted
    assert (submission.launch, submission.code_root, submission.entry_file) == (SPEC, Path("/code"), "train.py")
    assert host.last_words() == b"words of channels 1"
    assert not host.end_left_behind(session=7, attempt_id="a1")
    assert host.end_left_behind(session=7, attempt_id="a1")


def test_closing_ends_every_attempt_and_the_hook_after_it():
    operator = Fake()
    host = OperatorHost(operator, code_root=Path("/code"), entry_file="train.py")
    host.launch(SPEC)
    host.launch(SPEC)
    host.close()
    host.close()
    assert operator.cancelled == ["channels 1", "channels 2"]


def test_the_environment_is_fresh_and_finds_the_interpreters_programs_first(monkeypatch):
    for name, value in {"PATH": "/usr/bin", "HOME": "/home/ana", "LC_ALL": "C", "API_KEY": "x", "OMP_X": "1"}.items():
        monkeypatch.setenv(name, value)
    operator = SubprocessOperator(name="gpu", config={"python": "/opt/env/bin/python", "environment": {"LC_ALL": "de"}})
    found = operator.environment()
    assert found["PATH"] == "/opt/env/bin:/usr/bin"
    assert (found["HOME"], found["LC_ALL"]) == ("/home/ana", "de")
    assert not found.keys() & {"API_KEY", "OMP_X", "STEPWELL_HOME", "VIRTUAL_ENV", "PYTHONPATH"}


@pytest.mark.parametrize(
    ("python", "said"),
    [("/nowhere/python", "no such file"), ("/etc/passwd", "permission denied"), ("/bin/false", "exit code 1")],
)
def test_an_interpreter_that_does_not_do_is_named_with_the_reason(python, said):
    with pytest.raises(ConfigError, match=f"gpu cannot use {python}: .*{said}") as caught:
        operators.make(Opened(name="gpu", flavor="subprocess", config={"python": python}))
    assert "pip install stepwell" in caught.value.hint


def test_the_runners_own_interpreter_needs_no_check(monkeypatch):
    monkeypatch.setattr(subprocess_operator, "_interpreter_problem", lambda *_: "asked")
    assert operators.make(Opened(name="own", flavor="subprocess", config={}))
    with pytest.raises(ConfigError, match="asked"):
        operators.make(Opened(name="other", flavor="subprocess", config={"python": f"{sys.prefix}/bin/other"}))


def test_a_flavor_that_is_not_known_here_is_refused():
    with pytest.raises(ConfigError, match="flavor ray"):
        operators.make(Opened(name="far", flavor="ray", config={}))


def test_code_that_was_typed_in_has_no_operator():
    with pytest.raises(ConfigError, match="typed into a shell"):
        operators.host_for(Fake(), Snapshot(code_hash=""))


def test_another_interpreter_finds_stepwell_and_no_other_package(tmp_path, settings, monkeypatch):
    settings.HOME = tmp_path / "home"
    package = tmp_path / "site-packages" / "stepwell"
    (package / "execution" / "operators").mkdir(parents=True)
    monkeypatch.setattr(subprocess_operator, "__file__", str(package / "execution" / "operators" / "x.py"))

    folder = subprocess_operator._import_folder()
    assert [path.name for path in folder.iterdir()] == ["stepwell"]
    assert (folder / "stepwell").resolve() == package
    assert subprocess_operator._import_folder() == folder
