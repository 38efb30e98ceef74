"""A data folder of the first release is brought up to date by a start, and everything in it is still there.

``first_release.tar.gz`` was made by that release: two runs of a script (one failed), a secret, a schedule, an admin.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.commands import told
from tests.processes.instance import RunningInstance

OLD = Path(__file__).parent / "first_release.tar.gz"


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upgraded")
    with tarfile.open(OLD) as archive:
        archive.extractall(folder, filter="data")
    (folder / "home").chmod(0o700)
    running = RunningInstance(folder)
    try:
        yield running
    finally:
        running.stop()


def test_runs_logs_and_results_of_the_first_release_are_there(upgraded):
    assert (upgraded.run(1)["status"], upgraded.run(2)["status"]) == ("completed", "failed")
    assert upgraded.log(1, "read") == "read 4 rows\n"
    assert "no score today" in upgraded.log(2, "score", 2)
    page = upgraded.signed_in()
    try:
        for path in (
            "/",
            "/runs/",
            "/runs/1/",
            "/runs/2/?step=score",
            "/pipelines/",
            "/schedules/",
            "/secrets/",
            "/alerts/",
        ):
            assert page.get(path).status_code == 200, path
        assert "yearly" in page.get("/schedules/").text
    finally:
        page.close()


def test_runs_of_the_first_release_run_again_and_read_its_secret_and_results(upgraded):
    answer = upgraded.api.post("/runs/2/reruns", json={"scope": "failed", "parameters": {"fails": False}})
    assert answer.status_code in {200, 201}, answer.text
    again = upgraded.wait_for(answer.json()["id"], seconds=60)
    assert again["status"] == "completed", upgraded.steps(again["id"])
    steps = {name: step["status"] for name, step in upgraded.steps(again["id"]).items()}
    assert steps == {"read": "cached", "score": "completed", "report": "completed"}
    assert "key is ***" in upgraded.log(again["id"], "score")


def test_the_database_fits_afterwards(upgraded):
    found = upgraded.commands.stepwell("manage", "migrate", "--check")
    assert found.returncode == 0, told(found)
