"""Pipelines, their snapshots (what was registered, with the code as it was) and their schedules."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models

from stepwell.core.plan import Overrides, PipelineSpec, Source
from stepwell.core.timing import Timing
from stepwell.kit.models import Row


class Pipeline(Row):
    name = models.CharField(max_length=255, unique=True)
    slug = models.SlugField(max_length=255, unique=True)
    docstring = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def newest_snapshot(self) -> Snapshot | None:
        """The latest registered, whether its code was kept or not."""
        return self.snapshots.order_by("-number").first()

    @property
    def newest_runnable(self) -> Snapshot | None:
        """The snapshot a new run takes unless told otherwise: the latest whose code was kept."""
        return self.snapshots.exclude(code_hash="").order_by("-number").first()


class Snapshot(Row):
    """A pipeline as registered: its compiled spec, and an archive of the code."""

    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="snapshots")
    number = models.PositiveIntegerField()
    #: ``core.plan.PipelineSpec`` as JSON
    spec = models.JSONField()
    parameters_schema = models.JSONField(default=dict)
    #: sha256 of the archive's contents; the archive is ``<home>/code/<code_hash>.zip``. Empty: it cannot run again
    #: (code typed into a shell).
    code_hash = models.CharField(max_length=64, blank=True)
    #: the file a step process imports, relative to the archive's root
    entry_file = models.CharField(max_length=500, blank=True)
    git_commit = models.CharField(max_length=64, blank=True)
    environment = models.TextField(blank=True, help_text="Installed packages, one name==version a line.")
    #: who brought this code, as the audit log writes people; empty when no person did
    registered_by = models.CharField(max_length=150, blank=True, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["pipeline", "number"], name="snapshot_once")]
        ordering: ClassVar[list[str]] = ["-number"]

    def __str__(self) -> str:
        return f"{self.pipeline.name} code {self.number}"

    @property
    def compiled(self) -> PipelineSpec:
        return PipelineSpec.model_validate(self.spec)

    @property
    def source(self) -> Source:
        """Where the pipeline's function is, known without reading the plan of all its steps."""
        return _source_of(self.id)

    @property
    def label(self) -> str:
        """``3 (9f2c1ab)``: its number, and its commit where it has one."""
        return f"{self.number} ({self.git_commit[:7]})" if self.git_commit else str(self.number)

    @property
    def can_run(self) -> bool:
        return bool(self.code_hash)


@lru_cache(maxsize=256)
def _source_of(snapshot_id: UUID) -> Source:
    # A snapshot never changes, and every attempt asks for this.
    return Source.model_validate(Snapshot.objects.values_list("spec__source", flat=True).get(id=snapshot_id))


class Schedule(Row):
    """When runs of a pipeline start by themselves, and what they take. Times are seconds since 1970."""

    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="schedules")
    name = models.CharField(max_length=255, unique=True)
    cron = models.CharField(max_length=200, blank=True)
    interval_seconds = models.PositiveBigIntegerField(null=True, blank=True)
    once_at = models.DateTimeField(null=True, blank=True)
    start_at = models.DateTimeField(null=True, blank=True)
    end_at = models.DateTimeField(null=True, blank=True)
    zone = models.CharField(max_length=64, default="UTC")
    catchup = models.BooleanField(default=False, help_text="Start a run for every time that was missed.")
    #: plain JSON; what is left out takes the newest code's default when it fires
    parameters = models.JSONField(default=dict)
    #: ``core.plan.Overrides`` as JSON
    overrides = models.JSONField(default=dict)
    is_paused = models.BooleanField(default=False)
    #: None: it will not fire again
    next_fire_at = models.BigIntegerField(null=True, blank=True, db_index=True)
    last_fire_at = models.BigIntegerField(null=True, blank=True)
    #: why the latest fire started no run; empty when it did
    problem = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="schedules"
    )
    created_by_name = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def timing(self) -> Timing:
        return Timing(
            cron=self.cron,
            interval=self.interval_seconds,
            once=self.once_at,
            start=self.start_at,
            end=self.end_at,
            zone=self.zone,
        )

    @property
    def parsed_overrides(self) -> Overrides:
        return Overrides.model_validate(self.overrides)

    @property
    def next_fire(self) -> datetime | None:
        """When it fires next; None while it is paused and after its last time."""
        return None if self.is_paused or self.next_fire_at is None else datetime.fromtimestamp(self.next_fire_at, UTC)


class ScheduleFire(Row):
    """One time of a schedule that came, and what came of it."""

    class Cause(models.TextChoices):
        CLOCK = "clock", "its time came"
        BACKFILL = "backfill", "filled in later"
        HAND = "hand", "run now"

    #: causes of which a time is taken once
    ONCE = (Cause.CLOCK, Cause.BACKFILL)

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="fires")
    #: the time it was due, seconds since 1970
    fire_at = models.BigIntegerField()
    cause = models.CharField(max_length=8, choices=Cause.choices, default=Cause.CLOCK)
    #: the ``runs.Run`` it started, which lies above this app; None when it could not
    run_id = models.UUIDField(null=True, blank=True, db_index=True)
    #: why it started no run
    problem = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["schedule", "fire_at"], condition=~models.Q(cause="hand"), name="schedule_fires_once"
            )
        ]
        ordering: ClassVar[list[str]] = ["-fire_at"]

    @property
    def due(self) -> datetime:
        return datetime.fromtimestamp(self.fire_at, UTC)
