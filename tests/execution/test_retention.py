"""Retention keeps what is young, alive, or used by others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings
from stepwell.artifacts.models import Artifact, ArtifactVersion, StepArtifact
from stepwell.execution import inputs
from stepwell.execution.retention import retire_old_runs
from stepwell.runs.logs import log_path
from stepwell.runs.models import Run
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


def keep(days):
    settings = InstanceSettings.load()
    settings.retention_days = days
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
