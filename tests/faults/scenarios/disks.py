"""Disks that are full, in part or as a whole."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from uuid import UUID

from tests.faults.door import open_door
from tests.faults.scenarios import NotHere, scenario
from tests.faults.stage import STEADY, Stage, check


@scenario("F11", quick=True)
def results_do_not_fit(stage: Stage) -> None:
    """ENOSPC when a step's results are to appear: the step fails and says so, no half result is seen."""
    runner = stage.runner(failpoint="before_artifact_rename:enospc@1", **STEADY)
    failed = stage.start("heavy", megabytes=1)
    stage.wait([failed])
    attempt = stage.attempts(failed, "large")[0]
    check(attempt.status == "failed" and "StorageFull" in attempt.error_type, f"{attempt.status} {attempt.error_type}")
    good = stage.start("heavy", megabytes=1)
    stage.wait([good])
    check(stage.status(good) == "completed", stage.status(good))
    check(runner.is_alive, "the runner ended")


@scenario("F10 F11", limit=120)
def disk_full(stage: Stage) -> None:
    """The disk of logs, results and SQLite fills up and gets room again: no step begins meanwhile, all runs end."""
    if os.geteuid() != 0:
        raise NotHere("needs root for a small file system")
    small = _small_disk(stage)
    stage.home = small
    runner = stage.runner(STEPWELL_HOME=str(small), STEPWELL_DISK_RESERVE_MB="4")
    stage.watch_web(STEPWELL_HOME=str(small))
    first = stage.start("small", seconds=2.0)
    stage.until_noted("begin")
    filler = small / "filler"
    with filler.open("wb") as file, _UntilFull():
        while True:
            file.write(b"x" * 65536)
            file.flush()
    stage.until(lambda: "No step is taken" in runner.said(), "the runner says that the disk is full")
    time.sleep(2)
    filler.unlink()
    second = stage.steadily(lambda: stage.start("small", seconds=0.1))
    stage.wait(seconds=40)
    check(stage.status(second) == "completed", f"afterwards: {stage.status(second)}")
    # What it made may not have fitted any more; then it says so.
    last = [stage.attempts(first, name)[-1] for name in ("first", "second") if stage.attempts(first, name)][-1]
    is_told = "StorageFull" in last.error_type
    check(
        stage.status(first) == "completed" or is_told, f"during: {last.status} {last.error_type} {last.error_message}"
    )
    _check_database()


def _check_database() -> None:
    """A file on the disk that was full is whole; a server's database is elsewhere."""
    from django.db import connection

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check")
            check(cursor.fetchone()[0] == "ok", "the database is damaged")


def _small_disk(stage: Stage) -> Path:
    """Return the data folder moved to a file system of 64 MB; this process uses it too. Postgres is elsewhere."""
    from django.conf import settings
    from django.db import connections

    place = stage.folder / "small"
    place.mkdir()
    _mount(stage, place)
    subprocess.run(["cp", "-a", f"{stage.home}/.", place], check=True)
    connections.close_all()
    if connections["default"].vendor == "sqlite":
        connections["default"].settings_dict["NAME"] = str(place / "stepwell.db")
    settings.HOME = place
    from stepwell.execution import queueing

    queueing.huey = queueing.make_huey()
    return place


@scenario("F12")
def disk_read_only(stage: Stage) -> None:
    """The folder of results becomes read-only under a step: it says so, none begins, /readyz is 503."""
    if os.geteuid() != 0:
        raise NotHere("needs root for a file system of its own")
    place = stage.home / "artifacts"
    place.mkdir(exist_ok=True)
    _mount(stage, place)
    runner = stage.runner(**STEADY)
    _, client = open_door(stage)
    check(client.get("/readyz").status_code == 200, "not ready before")
    run = stage.start("small", seconds=1.0)
    stage.until_noted("begin")
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    stage.wait([run])
    attempt = stage.attempts(run, "first")[0]
    check((attempt.status, "StorageFull" in attempt.error_type) == ("failed", True), f"{attempt.error_type}")
    check(client.get("/readyz").status_code == 503, "ready with a folder that cannot be written")
    stage.until(lambda: "No step is taken" in runner.said(), "the runner says why it takes no step")
    subprocess.run(["mount", "-o", "remount,rw", place], check=True)
    good = stage.steadily(lambda: stage.start("small", seconds=0.0))
    stage.wait([good])
    check(stage.status(good) == "completed", f"afterwards: {stage.status(good)}")
    check(client.get("/readyz").status_code == 200, "not ready afterwards")


def _mount(stage: Stage, place: Path) -> None:
    """Lay a small file system of its own over a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "stepwell-fault", place], check=True)
    stage.after(lambda: subprocess.run(["umount", "-l", place], check=False))


class _UntilFull:
    """Writing up to the end of a disk."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError)


@scenario("F40")
def data_damaged(stage: Stage) -> None:
    """A stored result changes on the disk before the next step reads it: that step fails, names it, reads nothing."""
    stage.runner(failpoint="before_claim:sleep=2@3")
    run = stage.start("small", seconds=0.0)
    stage.until(lambda: stage.step_status(run, "first") == "completed", "the first step completed")
    for path in (stage.home / "artifacts" / str(run.id)).rglob("*"):
        if path.is_file():
            path.write_bytes(b"x" + path.read_bytes()[1:])
    stage.wait()
    attempts = stage.attempts(run, "second")
    check(stage.status(run) == "failed", stage.status(run))
    check("ArtifactCorrupt" in attempts[-1].error_type, f"{[one.error_type for one in attempts]}")
    check("wanted" in attempts[-1].error_message and "got" in attempts[-1].error_message, attempts[-1].error_message)
    # What is damaged is known to be; the oracle would say so too.
    stage.forget(run)


@scenario("F57")
def retired_beside(stage: Stage) -> int:
    """Old runs are removed all the time while slower ones go on: only ended ones go, no live one misses a file."""
    from stepwell.accounts.models import InstanceSettings
    from stepwell.execution import orphans, retention
    from stepwell.runs.models import Run

    row = InstanceSettings.load()
    row.retention_runs = 2
    row.save()
    for _ in range(2):
        stage.runner(**STEADY)
    stage.start_many(2, "small", seconds=4.0)
    removed = 0
    for _ in range(5):
        stage.start_many(3, "small", seconds=0.05)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            removed += retention.retire_old_runs()
            orphans.sweep()
            time.sleep(0.05)
    stage.wait(seconds=40)
    # A run whose last step came to its end may be gone; no other.
    ended = {UUID(line[1]) for line in stage.ledger() if (line[0], line[2]) == ("end", "second")}
    stage.accepted -= ended - set(Run.objects.values_list("id", flat=True))
    check({run.status for run in stage.runs()} == {"completed"}, f"{[run.status for run in stage.runs()]}")
    check(removed > 8, f"only {removed} runs were removed")
    return removed
