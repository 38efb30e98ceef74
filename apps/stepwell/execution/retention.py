"""Retention: finished runs beyond what the settings keep go, in batches, with their logs and what only they hold."""

from __future__ import annotations

import json
import logging
import re
import shutil
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings
from stepwell.artifacts.models import ArtifactVersion
from stepwell.core.status import TERMINAL_RUN
from stepwell.execution import inputs
from stepwell.kit import locks
from stepwell.pipelines.models import Pipeline
from stepwell.runs.logs import log_path
from stepwell.runs.models import Run, StepRun

log = logging.getLogger(__name__)
_BATCH = 50
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What settings would remove: runs, and at most so many bytes of results (shared ones stay)."""

    runs: int
    bytes: int
    total: int


def retire_old_runs() -> int:
    """Delete one batch of runs that the settings do not keep; return how many. Nothing while a backup is made."""
    row = InstanceSettings.load()
    if not (row.retention_days or row.retention_runs):
        return 0
    with locks.hold(locks.BACKUP, waits=False) as held:
        beyond = list(runs_beyond(days=row.retention_days, count=row.retention_runs).order_by("id")[:_BATCH])
        return sum(delete_run(run) for run in beyond) if held else 0


def runs_beyond(*, days: int, count: int) -> QuerySet[Run]:
    """Return the finished runs that ended more than ``days`` ago, or beyond the newest ``count`` of their pipeline.

    Zero keeps all.
    """
    finished = Run.objects.filter(status__in=TERMINAL_RUN)
    beyond = Q(pk__in=[])
    if days:
        beyond |= Q(ended_at__lt=timezone.now() - timedelta(days=days))
    if count:
        # The newest that goes, of each pipeline; ids count up with time.
        of_pipeline = Run.objects.filter(pipeline=OuterRef("pk"), status__in=TERMINAL_RUN).order_by("-id")
        edges = Pipeline.objects.annotate(edge=Subquery(of_pipeline.values("id")[count : count + 1]))
        for pipeline_id, edge in edges.filter(edge__isnull=False).values_list("id", "edge"):
            beyond |= Q(pipeline=pipeline_id, id__lte=edge)
    return finished.filter(beyond)


def preview(*, days: int, count: int) -> Preview:
    """Return what retention with these settings would remove, were it to run now."""
    beyond = runs_beyond(days=days, count=count)
    made = ArtifactVersion.objects.filter(producer__run__in=beyond.values("id"))
    size = made.aggregate(total=Coalesce(Sum("size"), 0))["total"]
    return Preview(runs=beyond.count(), bytes=int(size), total=Run.objects.count())


def delete_run(run: Run) -> bool:
    """Delete a finished run; return False when another run takes up one of its results."""
    made = list(ArtifactVersion.objects.filter(producer__run=run).values_list("id", flat=True))
    if _named_by_live_runs() & {str(version) for version in made}:
        return False
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


def _named_by_live_runs() -> set[str]:
    """Return every id that unfinished runs name in plans and parameters: inputs are linked only when a step ends."""
    live = Run.objects.exclude(status__in=TERMINAL_RUN)
    texts = [json.dumps(parameters) for parameters in live.values_list("parameters", flat=True)]
    texts += [json.dumps(plan) for plan in StepRun.objects.filter(run__in=live).values_list("plan", flat=True)]
    return {found for text in texts for found in _ID.findall(text)}
