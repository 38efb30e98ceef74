"""Components an instance is configured with: artifact stores, step operators, experiment trackers."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from stepwell.kit.models import Row


class Component(Row):
    class Kind(models.TextChoices):
        ARTIFACT_STORE = "artifact_store", "Artifact store"
        STEP_OPERATOR = "step_operator", "Step operator"
        EXPERIMENT_TRACKER = "experiment_tracker", "Experiment tracker"

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=24, choices=Kind.choices)
    flavor = models.CharField(max_length=50)
    config = models.JSONField(default=dict, blank=True)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "name"], name="component_once")]
        ordering: ClassVar[list[str]] = ["kind", "name"]

    def __str__(self) -> str:
        return self.name
