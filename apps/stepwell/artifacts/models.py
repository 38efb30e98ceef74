"""What steps made: artifacts, their versions, which step used which, and the models they belong to."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from stepwell.core.stages import SETTABLE_STAGES, SINGLE_STAGES, ModelStages
from stepwell.kit.models import Row
from stepwell.runs.models import Run, StepRun


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
    #: what it is to people: ``model``, ``service``, ...; empty is plain data
    kind = models.CharField(max_length=32, blank=True, default="")
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


_STAGES = [(str(stage), str(stage)) for stage in SETTABLE_STAGES]


class Model(Row):
    """A model people follow over many runs, by name."""

    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(blank=True)
    license = models.CharField(max_length=255, blank=True)
    #: audience, use_cases, limitations, trade_offs, ethics, where they were given
    about = models.JSONField(default=dict)
    tags = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ModelVersion(Row):
    """One version of a model: what one run made, or several that name it."""

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="versions")
    #: the number as text, or the name a run gave it
    name = models.CharField(max_length=255)
    #: counts 1, 2, 3 within the model
    number = models.PositiveIntegerField()
    stage = models.CharField(max_length=16, choices=_STAGES, default=ModelStages.NONE)
    metadata = models.JSONField(default=dict)
    tags = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "name"], name="model_version_once"),
            models.UniqueConstraint(fields=["model", "number"], name="model_number_once"),
            # The database itself refuses a second version in production or staging.
            models.UniqueConstraint(
                fields=["model", "stage"],
                condition=Q(stage__in=[str(stage) for stage in SINGLE_STAGES]),
                name="one_version_a_stage",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} {self.name}"


class ModelRun(models.Model):
    """The version a run works on, for one way of asking for it; every step of the run that asks so shares it."""

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="run_links")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="run_links")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="model_links")
    #: the version as the code names it; empty is a new one for the run
    asked = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "model", "asked"], name="model_run_once")]


class ModelArtifact(models.Model):
    """An artifact version that belongs to a model version."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="artifact_links")
    artifact_version = models.ForeignKey(ArtifactVersion, on_delete=models.CASCADE, related_name="model_links")
    #: the output it was linked as
    name = models.CharField(max_length=255)

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model_version", "artifact_version"], name="model_artifact_once")
        ]


class StageChange(Row):
    """One move of a model version from stage to stage, and who made it."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="stage_changes")
    old = models.CharField(max_length=16, choices=_STAGES)
    new = models.CharField(max_length=16, choices=_STAGES)
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    #: who it was, in words that stay: a person's name, or a step and its run
    by_name = models.CharField(max_length=255, blank=True)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
