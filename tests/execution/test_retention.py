"""Retention keeps what is young, alive, or used by others."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings
from stepwell.artifacts.models import Artifact, ArtifactVersion, StepArtifact
from stepwell.core.ids import new_id
from stepwell.core.plan import Binding
from stepwell.execution import inputs, orphans
from stepwell.execution.retention import preview, retire_old_runs
from stepwell.kit import locks
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run
from tests.execution.make import make_run

pytestmark = pytest.mark.django_db


def make_old(*, days, status="completed"):
    run = make_run({"a": []}, status=status)
    Run.objects.filter(id=run.id).update(ended_at=timezone.now() - timedelta(days=days))
    step = run.steps.get()
    uri = f"{run.id}/out"
    (inputs.artifact_root() / uri).mkdir(parents=True)
    log_path(run.id, run.id).parent.mkdir(parents=True)
    artifact = Artifact.objects.create(name=f"out-{run.number}")
    version = ArtifactVersion.objects.create(
        artifact=artifact, version="1", number=1, uri=uri, size=0, sha256="", type="", materializer="", producer=step
    )
    StepArtifact.objects.create(step_run=step, artifact_version=version, direction="output", name="output")
    return run, version


def keep(days, runs=0):
    settings = InstanceSettings.load()
    settings.retention_days = days
    settings.retention_runs = runs
    settings.save()


def test_zero_days_keep_everything():
    keep(0)
    make_old(days=4000)
    assert retire_old_runs() == 0


def test_old_runs_go_with_logs_and_results_and_young_ones_stay():
    keep(30)
    old, version = make_old(days=31)
    young, _ = make_old(days=29)
    assert retire_old_runs() == 1
    assert list(Run.objects.all()) == [young]
    assert not ArtifactVersion.objects.filter(id=version.id).exists()
    assert not (inputs.artifact_root() / version.uri).exists()
    assert not log_path(old.id, old.id).parent.exists()


def test_a_run_that_still_runs_is_never_taken():
    keep(1)
    make_old(days=50, status="running")
    assert retire_old_runs() == 0


def test_a_result_another_run_was_given_stays():
    keep(30)
    _, version = make_old(days=31)
    young, _ = make_old(days=1)
    StepArtifact.objects.create(step_run=young.steps.get(), artifact_version=version, direction="input", name="data")
    assert retire_old_runs() == 1
    assert ArtifactVersion.objects.filter(id=version.id).exists()
    assert (inputs.artifact_root() / version.uri).exists()


def test_the_newest_runs_of_each_pipeline_stay():
    keep(0, runs=2)
    runs = [make_old(days=5 - age)[0] for age in range(4)]
    busy, _ = make_old(days=50, status="running")
    assert preview(days=0, count=2).runs == 2
    assert retire_old_runs() == 2
    assert set(Run.objects.all()) == {*runs[2:], busy}
    assert retire_old_runs() == 0


def test_a_result_that_a_live_run_is_about_to_read_stays_with_its_run():
    keep(30)
    old, version = make_old(days=31)
    live = make_run({"a": []}, status="running")
    step = live.steps.get()
    step.plan["inputs"] = {"data": json.loads(Binding(kind="artifact", artifact=str(version.id)).model_dump_json())}
    step.save()
    assert retire_old_runs() == 0
    assert (inputs.artifact_root() / version.uri).exists()
    Run.objects.filter(id=live.id).update(status="completed", ended_at=timezone.now())
    assert retire_old_runs() == 1
    assert not Run.objects.filter(id=old.id).exists()


def test_batches_are_bounded():
    keep(30)
    for _ in range(52):
        make_old(days=31)
    assert retire_old_runs() == 50
    assert retire_old_runs() == 2


def test_nothing_is_removed_while_a_backup_is_made():
    keep(30)
    make_old(days=31)
    with locks.hold(locks.BACKUP):
        assert retire_old_runs() == 0
        assert orphans.sweep() == 0
    assert retire_old_runs() == 1


class TestOrphans:
    def age(self, path, seconds=90_000):
        for one in (path, *path.parents[:2]):
            os.utime(one, (time.time() - seconds,) * 2)

    def folder(self, *, run=None, attempt=None):
        path = inputs.artifact_root() / str(run or new_id()) / str(new_id()) / str(attempt or new_id())
        path.mkdir(parents=True)
        (path / "value").write_text("x")
        self.age(path)
        return path

    def test_what_was_never_published_goes_after_a_day_and_the_rest_stays(self):
        orphan, young, published = self.folder(), self.folder(), self.folder()
        self.age(young, 3600)
        _, version = make_old(days=1)
        uri = published.relative_to(inputs.artifact_root()).as_posix() + "/output"
        ArtifactVersion.objects.filter(id=version.id).update(uri=uri)
        run = make_run({"b": []}, status="running")
        live = Attempt.objects.create(step_run=run.steps.get(), number=1, status="running")
        busy = self.folder(attempt=live.id)
        other = inputs.artifact_root() / "not-an-id"
        other.mkdir(exist_ok=True)

        orphans.sweep()

        assert not orphan.exists()
        assert all(path.exists() for path in (young, published, busy, other))

    def test_logs_and_code_that_nothing_names_go_after_a_day(self):
        home = django_settings.HOME
        run, _ = make_old(days=1)
        kept, gone = home / "logs" / str(run.id), home / "logs" / str(new_id())
        code = [home / "code" / f"{letter * 64}.zip" for letter in "cd"]
        for path in (kept, gone):
            path.mkdir(parents=True, exist_ok=True)
        for path in code:
            path.parent.mkdir(exist_ok=True)
            path.write_text("zip")
        for path in (kept, gone, *code):
            os.utime(path, (time.time() - 90_000,) * 2)

        orphans.sweep()

        # A snapshot of the run names the archive of c's.
        assert [path.exists() for path in (kept, gone, *code)] == [True, False, True, False]
        code[0].unlink()
