"""Retention: finished runs older than the settings allow go, with their logs and what only they hold."""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings
from stepwell.artifacts.models import ArtifactVersion
from stepwell.core.status import TERMINAL_RUN
from stepwell.execution import inputs
from stepwell.kit import locks
from stepwell.runs.logs import log_path
from stepwell.runs.models import Run

log = logging.getLogger(__name__)
_BATCH = 50


def retire_old_runs() -> int:
    """Delete one batch of runs that ended longer ago than the settings keep them; return how many."""
    with locks.hold(locks.BACKUP, waits=False) as held:
        return _retire() if held else 0


def _retire() -> int:
    days = InstanceSettings.load().retention_days
    if not days:
        return 0
    old = Run.objects.filter(status__in=TERMINAL_RUN, ended_at__lt=timezone.now() - timedelta(days=days))
    return sum(delete_run(run) for run in old.order_by("id")[:_BATCH])


def delete_run(run: Run) -> bool:
    """Delete a finished run; return False when another run took up one of its results meanwhile."""
    made = list(ArtifactVersion.objects.filter(producer__run=run).values_list("id", flat=True))
    try:
        with transaction.atomic():
            run_id = run.id
            run.delete()
            # Results other runs were given, and what belongs to a model, stay with their files.
            unused = ArtifactVersion.objects.filter(id__in=made, step_artifacts__isnull=True, model_links__isnull=True)
            uris = list(unused.values_list("uri", flat=True))
            ArtifactVersion.objects.filter(id__in=list(unused.values_list("id", flat=True))).delete()
    except IntegrityError:
        log.info("Run %s is kept for now: its results were taken up meanwhile.", run.number)
        return False
    shutil.rmtree(log_path(run_id, run_id).parent, ignore_errors=True)
    for uri in uris:
        shutil.rmtree(inputs.artifact_root() / uri, ignore_errors=True)
    return True
