"""``stepwell doctor``: what is wrong is found, and said with what to do. Each finding is made true once."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import Error, connection
from django.utils import timezone

from stepwell.accounts import actions
from stepwell.accounts.models import User
from stepwell.alerts.models import AlertRule, Delivery
from stepwell.artifacts.models import Artifact, ArtifactVersion
from stepwell.conf import cli
from stepwell.execution import doctor, inputs
from stepwell.kit import machine
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, HookCall, RunnerNode
from stepwell.vault import keyring, sealing
from stepwell.vault.actions import put_secret
from stepwell.vault.models import SecretVersion
from tests.execution.make import make_run

pytestmark = pytest.mark.django_db

NAMES = [
    "program",
    "data folder",
    "file system",
    "settings",
    "disk",
    "database",
    "integrity",
    "clock",
    "key ring",
    "admins",
    "runner",
    "dead runners",
    "queue",
    "logs",
    "artifacts",
    "outbox",
]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A sound installation."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("STEPWELL_HOME", str(home))
    monkeypatch.setattr(settings, "HOME", home)
    monkeypatch.setattr(settings, "KEYRING_FILE", home / "keyring")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9e12, 1e12, 8e12))
    actions.first_admin()
    RunnerNode.objects.create(kind=RunnerNode.Kind.RUNNER, host="h", pid=1, seen_at=time.time())
    return home


@pytest.fixture
def findings(capsys):
    def examine():
        code = cli.main(["doctor", "--json"])
        found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
        assert code == int(any(one["level"] == "fail" for one in found.values()))
        assert all(one["todo"] for one in found.values() if one["level"] != "ok"), "each says what to do"
        return found

    return examine


def only(findings, name, level, *words):
    """Check that one finding, and no other, is not well."""
    found = findings()
    assert {one["name"]: one["level"] for one in found.values() if one["level"] != "ok"} == {name: level}, found
    for word in words:
        assert word in f"{found[name]['text']} {found[name]['todo']}"


def test_a_sound_installation_has_no_problem(findings, capsys):
    found = findings()
    assert list(found) == NAMES
    assert {one["level"] for one in found.values()} == {"ok"}, found
    assert cli.main(["doctor"]) == 0
    assert "ok    database: SQLite, up to date" in capsys.readouterr().out or connection.vendor != "sqlite"


def test_problems_are_told_with_a_way_out(capsys):
    RunnerNode.objects.update(seen_at=time.time() - 600, stopped_at=timezone.now())
    assert cli.main(["doctor"]) == 1
    assert "fail  runner: none runs\n      Start one: stepwell up" in capsys.readouterr().out


def test_an_old_sqlite(findings, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    only(findings, "program", "fail", "3.35")


def test_a_folder_others_can_read(findings, home):
    home.chmod(0o755)
    found = findings()
    assert (found["data folder"]["level"], found["data folder"]["todo"]) == ("fail", f"chmod 700 {home}")
    assert list(found) == ["program", "data folder"]


@pytest.mark.parametrize(("free", "level"), [(100e6, "fail"), (1e9, "warn")])
def test_little_room(findings, monkeypatch, free, level):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9e12, 1e12, free))
    only(findings, "disk", level, "Make room")


def test_room_is_what_runners_want(findings, monkeypatch):
    small = shutil._ntuple_diskusage(4e9, 3.7e9, 3e8)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: small)
    only(findings, "disk", "warn")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: small._replace(free=1e8))
    only(findings, "disk", "fail", "below 191 MiB no steps are started")


def test_a_full_disk(findings, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", full)
    found = findings()
    assert found["data folder"]["text"] == "cannot be written: No space left on device"
    assert "Make room" in found["data folder"]["todo"]


def test_a_network_file_system(findings, home, monkeypatch, tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/share {home.parent} nfs4 rw 0 0\n")
    monkeypatch.setattr(machine, "MOUNTS", mounts)
    only(findings, "file system", "fail", "nfs4", "local disk")


def test_an_older_schema(findings):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'alerts'")
    only(findings, "database", "fail", "alerts.0001_initial", "migrate")


def test_a_newer_schema(findings):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('runs', '9999_later', '2030-01-01')")
    only(findings, "database", "fail", "newer version", "runs.9999_later")


def test_a_database_that_is_away(findings, monkeypatch):
    def away():
        raise Error("connection refused")

    monkeypatch.setattr(doctor, "missing_migrations", away)
    only(findings, "database", "fail", "connection refused", "DATABASE_URL")


def test_why_there_is_no_database_and_that_once(tmp_path):
    told = [
        ("postgres://x:hidden@127.0.0.1:1/x", "port 1 failed: Connection refused"),
        (f"sqlite:///{tmp_path}/no-database", "restore a backup"),
    ]
    (tmp_path / "no-database").write_text("nothing of the kind\n" * 100)
    environment = {**os.environ, "STEPWELL_HOME": str(tmp_path / "there")}
    for url, why in told:
        done = subprocess.run(
            [sys.executable, "-m", "stepwell", "doctor"],
            env={**environment, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert why in done.stdout
        assert "hidden" not in done.stdout + done.stderr
        assert done.stderr == ""


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's file")
def test_a_damaged_file(tmp_path, monkeypatch):
    path = tmp_path / "damaged.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE a (b TEXT)")
        database.executemany("INSERT INTO a VALUES (?)", [("x" * 500,)] * 200)
    database.close()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 4] = b"\xff" * 4096
    path.write_bytes(content)

    class Damaged:
        vendor = "sqlite"

        def cursor(self):
            from contextlib import closing

            return closing(sqlite3.connect(path).cursor())

    monkeypatch.setattr(doctor, "connection", Damaged())
    finding = doctor.check_integrity()
    assert finding.level == "fail"
    assert "restore" in finding.todo


def test_clocks_that_disagree(findings, monkeypatch):
    RunnerNode.objects.update(seen_at=time.time() + 100)
    real = time.time
    monkeypatch.setattr(doctor.time, "time", lambda: real() + 100)
    only(findings, "clock", "warn", "apart", "NTP")


def test_a_lost_key(findings, home):
    put_secret(name="w", values={"A_KEY": "a value"}, by=None)
    assert findings()["key ring"]["level"] == "ok"
    (home / "keyring").unlink()
    only(findings, "key ring", "fail", "lacks the keys", "backup")


def test_a_wrong_key_of_the_same_name(findings, home):
    put_secret(name="warehouse", values={"A_KEY": "a value"}, by=None)
    sealing.put("mailto://x")
    (key,) = keyring.load()
    (home / "keyring").unlink()
    keyring.newest(make=True)
    other = (home / "keyring").read_text().partition(":")[2]
    (home / "keyring").write_text(f"{key.id}:{other}")
    only(findings, "key ring", "fail", "does not open an alert's address, secret warehouse")


def test_a_changed_row_and_a_key_ring_others_can_read(findings, home):
    put_secret(name="warehouse", values={"A_KEY": "a value"}, by=None)
    SecretVersion.objects.update(ciphertext=b"x" * 60)
    only(findings, "key ring", "fail", "secret warehouse")
    (home / "keyring").chmod(0o644)
    only(findings, "key ring", "fail", "chmod 600")


def test_nobody_who_may_administer(findings):
    User.objects.update(is_active=False)
    only(findings, "admins", "fail", "login-link")


def test_no_runner(findings):
    RunnerNode.objects.update(seen_at=time.time() - 600, stopped_at=timezone.now())
    only(findings, "runner", "fail", "none runs", "stepwell runner")


def test_a_runner_that_died_elsewhere(findings):
    RunnerNode.objects.create(kind=RunnerNode.Kind.RUNNER, host="gpu-7", pid=7, seen_at=time.time() - 900)
    only(findings, "dead runners", "warn", "gpu-7")


def test_a_runner_that_died_and_no_other(findings):
    RunnerNode.objects.update(seen_at=time.time() - 600)
    found = findings()
    assert "is taken over when a runner starts" in found["dead runners"]["todo"]


def test_steps_that_wait_long(findings):
    attempt = Attempt.objects.create(step_run=make_run({"a": []}).steps.get(), number=1)
    assert findings()["queue"]["level"] == "ok"
    Attempt.objects.filter(id=attempt.id).update(queued_at=timezone.now() - timedelta(hours=1))
    only(findings, "queue", "fail", "1 steps wait", "slots")


def test_a_log_that_nobody_closed(findings):
    run = make_run({"a": []})
    ended = timezone.now() - timedelta(hours=1)
    attempt = Attempt.objects.create(step_run=run.steps.get(), number=1, status="crashed", ended_at=ended)
    path = log_path(run.id, attempt.id)
    path.parent.mkdir(parents=True)
    path.write_text("cut sho")
    only(findings, "logs", "warn", "1 logs")


def test_a_result_without_its_files(findings):
    step = make_run({"a": []}).steps.get()
    artifact = Artifact.objects.create(name="data")
    facts = {"size": 1, "sha256": "", "type": "int", "materializer": "", "producer": step}
    here = inputs.artifact_root() / "here"
    here.mkdir(parents=True)
    ArtifactVersion.objects.create(artifact=artifact, version="1", number=1, uri="here", **facts)
    assert findings()["artifacts"]["level"] == "ok"
    ArtifactVersion.objects.create(artifact=artifact, version="2", number=2, uri="gone", **facts)
    only(findings, "artifacts", "fail", "1 of the newest 2")


def test_what_could_not_be_delivered(findings):
    step = make_run({"a": []}).steps.get()
    attempt = Attempt.objects.create(step_run=step, number=1, status="completed")
    common = {"run": step.run, "step_run": step, "attempt": attempt}
    HookCall.objects.create(hook="on_end", status="dead", ended_at=timezone.now(), **common)
    rule = AlertRule.objects.create(name="r", kind="webhook", destination=sealing.put("{}"), shown="x")
    Delivery.objects.create(rule=rule, event="test", status="dead", ended_at=timezone.now())
    only(findings, "outbox", "warn", "1 hooks", "1 alerts")
    HookCall.objects.update(status="open", due_at=1, ended_at=None)
    Delivery.objects.all().delete()
    HookCall.objects.update(created_at=timezone.now() - timedelta(hours=2))
    only(findings, "outbox", "warn", "1 wait for more than an hour")
