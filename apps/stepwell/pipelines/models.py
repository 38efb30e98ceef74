"""Pipelines and their snapshots: what was registered, with the code as it was."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from stepwell.core.plan import PipelineSpec
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
        """The snapshot a new run takes unless told otherwise."""
        return self.snapshots.order_by("-number").first()


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
    def can_run(self) -> bool:
        return bool(self.code_hash)
