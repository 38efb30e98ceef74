"""What of our environment a step's process gets: a list of names, and nothing we keep to ourselves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from stepwell.engine.stephost import StepHost
from stepwell.execution import hosts

_OURS = {
    "DATABASE_URL": "postgres://stepwell:canary@db/stepwell",
    "REDIS_URL": "redis://:canary@redis/0",
    "STEPWELL_SECRET_KEY": "canary",
    "STEPWELL_TOKEN": "canary",
    "AWS_SECRET_ACCESS_KEY": "canary",
    "PGPASSWORD": "canary",
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_step_host_has_nothing_of_ours_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _OURS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "flow.py").write_text("")
    environment = {**hosts.base_environment(), "PYTHONPATH": os.pathsep.join(sys.path)}
    host = StepHost.spawn(
        hosts.host_command(root=tmp_path, entry_file="flow.py"), environment=environment, work_folder=str(tmp_path)
    )
    try:
        # It is this process a step would look at as its parent.
        seen = Path(f"/proc/{host.pid}/environ").read_bytes()
    finally:
        host.close()

    assert b"PATH=" in seen
    assert b"canary" not in seen


def test_names_that_are_passed_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    assert "canary" not in hosts.base_environment().values()
    assert hosts.base_environment()["LC_ALL"] == "C.UTF-8"
