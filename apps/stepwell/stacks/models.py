"""Components an instance is configured with: artifact stores, step operators, experiment trackers."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from stepwell.kit.models import Row


class Component(Row):
    """One configured component. ``config`` is checked by its flavor and names secrets, never holds them."""

    class Kind(models.TextChoices):
        ARTIFACT_STORE = "artifact_store", "Artifact store"
        STEP_OPERATOR = "step_operator", "Step operator"
        EXPERIMENT_TRACKER = "experiment_tracker", "Experiment tracker"

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=24, choices=Kind.choices)
    flavor = models.CharField(max_length=50)
    config = models.JSONField(default=dict, blank=True)
    #: the one of its kind that ``True`` in an option means
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name"], name="component_once"),
            models.UniqueConstraint(fields=["kind"], condition=models.Q(is_default=True), name="component_default"),
        ]
        ordering: ClassVar[list[str]] = ["kind", "name"]

    def __str__(self) -> str:
        return self.name
