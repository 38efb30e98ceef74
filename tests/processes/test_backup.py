"""A backup taken while runs execute is whole: put back elsewhere, the instance goes on from it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tarfile

import pytest

from tests.commands import Instance, finish, told
from tests.processes.instance import RunningInstance
from tests.processes.pipelines import FILES

VALUE = "the-value-of-the-vault"


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """An instance that works, and the backup that was made while it did."""
    folder = tmp_path_factory.mktemp("original")
    for name in ("short.py", "keeper.py"):
        (folder / name).write_text(FILES[name])
    running = RunningInstance(folder)
    try:
        running.commands.stepwell("secrets", "create", "vault-test", "VAULT_TOKEN", "--stdin", given=VALUE + "\n")
        for name in ("short.py", "keeper.py"):
            running.register(folder / name)
        done = running.start("short")
        running.wait_for(done["id"])
        busy = [running.start("short", parameters={"rows": n, "expected": 2 * n, "seconds": 3}) for n in range(10, 14)]
        running.wait_for_step(busy[0]["id"], "slow", "running")
        made = running.commands.stepwell("backup", folder / "copy.tar.gz")
        assert made.returncode == 0, told(made)
        statuses = {run["id"]: running.run(run["id"])["status"] for run in busy}
        assert set(statuses.values()) != {"completed"}, "it was to be made while they ran"
        yield folder / "copy.tar.gz", done, busy
    finally:
        running.stop()


def test_a_backup_of_a_working_instance_goes_on_elsewhere(copied, tmp_path):
    backup, done, busy = copied
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    (tmp_path / "home").mkdir(mode=0o700)
    there = Instance(folder=tmp_path)
    back = there.stepwell("restore", backup)
    assert back.returncode == 0, told(back)
    assert stat.S_IMODE((tmp_path / "home" / "keyring").stat().st_mode) == 0o600
    running = RunningInstance(tmp_path)
    try:
        assert running.run(done["id"])["status"] == "completed"
        assert running.log(done["id"], "make") == "made 3\n"
        # What ran when the backup was made is taken up again.
        for run in busy:
            assert running.wait_for(run["id"], seconds=60)["status"] == "completed"
        # The stored result is there: a rerun of a part reads it, with the code that was kept.
        again = running.api.post(f"/runs/{done['id']}/reruns", json={"parameters": {"expected": 7}, "scope": "failed"})
        assert again.status_code in {200, 201}, again.text
        assert running.wait_for(again.json()["id"])["status"] == "failed"
        steps = running.steps(again.json()["id"])
        assert {name: step["status"] for name, step in steps.items()} == {
            "make": "cached",
            "slow": "cached",
            "check": "failed",
        }
        kept = running.start("keeper")
        running.wait_for(kept["id"])
        assert running.steps(kept["id"])["reads"]["status"] == "completed"
        assert "token is ***" in running.log(kept["id"], "reads")
    finally:
        running.stop()


def test_a_folder_that_holds_something_is_left_alone_unless_told(copied, tmp_path):
    backup, *_ = copied
    there = Instance(folder=tmp_path)
    (tmp_path / "home" / "logs").mkdir()
    (tmp_path / "home" / "logs" / "old.log").write_text("old")
    refused = there.stepwell("restore", backup)
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert "--replace" in refused.stderr
    done = there.stepwell("restore", backup, "--replace")
    assert done.returncode == 0, told(done)
    (aside,) = (tmp_path / "home").glob(".replaced-*")
    assert (aside / "logs" / "old.log").read_text() == "old"
    assert (aside / "stepwell.db").exists()
    assert len(there.runs()) == 5


def test_nothing_is_put_back_under_a_runner_that_works(copied, tmp_path):
    backup, *_ = copied
    there = Instance(folder=tmp_path)
    runner = there.start_python("-m", "stepwell", "runner")
    try:
        assert "is ready with" in runner.stderr.readline()
        refused = there.stepwell("restore", backup, "--replace")
    finally:
        runner.terminate()
        finish(runner)
    assert refused.returncode == 1
    assert f"A runner works with it: process {runner.pid}" in refused.stderr
    assert not list((tmp_path / "home").glob(".replaced-*"))
    done = there.stepwell("restore", backup, "--replace")
    assert done.returncode == 0, told(done)


def test_a_damaged_backup_is_refused_before_anything_is_changed(copied, tmp_path):
    backup, *_ = copied
    members = tmp_path / "members"
    with tarfile.open(backup) as archive:
        archive.extractall(members, filter="data")
    key = members / "files" / "keyring"
    key.write_bytes(key.read_bytes()[:-3] + b"AA=")
    damaged = pack(members, tmp_path / "damaged.tar")
    there = Instance(folder=tmp_path)
    shutil.rmtree(there.folder / "home")
    (there.folder / "home").mkdir(mode=0o700)
    refused = there.stepwell("restore", damaged)
    assert refused.returncode == 1
    assert "files/keyring is not what was stored" in refused.stderr
    assert VALUE not in refused.stderr
    assert not (tmp_path / "home" / "stepwell.db").exists()
    short = tmp_path / "short.tar.gz"
    short.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    for file, said in ((short, "damaged, or not a backup"), (tmp_path / "none.tar", "There is no file")):
        refused = there.stepwell("restore", file, "--check")
        assert (refused.returncode, said in refused.stderr) == (1, True), told(refused)
    manifest = json.loads((members / "manifest.json").read_text())
    manifest["migrations"].append("runs.9999_from_the_future")
    key.write_bytes(b"")
    manifest["members"]["files/keyring"] = [0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
    (members / "manifest.json").write_text(json.dumps(manifest))
    refused = there.stepwell("restore", pack(members, tmp_path / "newer.tar"))
    assert (refused.returncode, "newer" in refused.stderr) == (1, True), told(refused)


def test_a_backup_that_leads_out_of_its_folder_is_refused(tmp_path):
    outside = tmp_path / "outside.tar"
    (tmp_path / "evil").write_text("evil")
    with tarfile.open(outside, "w") as archive:
        archive.add(tmp_path / "evil", arcname="../../evil-was-here")
    there = Instance(folder=tmp_path)
    refused = there.stepwell("restore", outside, "--check")
    assert refused.returncode == 1
    assert "which no backup does" in refused.stderr
    link = tmp_path / "link.tar"
    os.symlink("/etc/passwd", tmp_path / "symlink")
    with tarfile.open(link, "w") as archive:
        archive.add(tmp_path / "symlink", arcname="files/keyring")
    assert there.stepwell("restore", link, "--check").returncode == 1


def pack(folder, target):
    with tarfile.open(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.add(path, arcname=path.relative_to(folder).as_posix())
    return target
