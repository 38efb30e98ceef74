"""What steps made: artifacts, their versions, and which step used which."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from stepwell.kit.models import Row
from stepwell.runs.models import StepRun


class Artifact(Row):
    name = models.CharField(max_length=500, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ArtifactVersion(Row):
    artifact = models.ForeignKey(Artifact, on_delete=models.CASCADE, related_name="versions")
    version = models.CharField(max_length=255)
    #: counts 1, 2, 3 whatever ``version`` says, so the newest is always known
    number = models.PositiveIntegerField()
    #: a folder below the artifact store's root
    uri = models.CharField(max_length=1000)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    #: printable type of the value, for example ``pandas.DataFrame``
    type = models.CharField(max_length=255)
    materializer = models.CharField(max_length=255)
    metadata = models.JSONField(default=dict)
    #: [{"kind": "html", "file": "report.html", "size": 123}, ...] files below ``uri``
    visualizations = models.JSONField(default=list)
    tags = models.JSONField(default=list)
    producer = models.ForeignKey(StepRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="made")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["artifact", "version"], name="artifact_version_once"),
            models.UniqueConstraint(fields=["artifact", "number"], name="artifact_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.artifact.name} {self.version}"


class StepArtifact(models.Model):
    """An artifact version a step took in or gave out."""

    class Direction(models.TextChoices):
        INPUT = "input"
        OUTPUT = "output"

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="step_artifacts")
    artifact_version = models.ForeignKey(ArtifactVersion, on_delete=models.PROTECT, related_name="step_artifacts")
    direction = models.CharField(max_length=6, choices=Direction.choices)
    name = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["step_run", "direction", "name"], name="step_artifact_once")
        ]
