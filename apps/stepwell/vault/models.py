"""Secrets: named sets of key/value pairs, encrypted before they reach the database."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from stepwell.kit.models import Row

secret_name = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z",
    "Use letters, digits, dots, dashes and underscores; begin with a letter or digit; at most 100 characters.",
)


class Secret(Row):
    """A named secret. Its values live in its versions; the newest version counts."""

    name = models.CharField(max_length=100, unique=True, validators=[secret_name])
    #: the names of its values, for display; each becomes an environment variable of the steps that name the secret
    keys = models.JSONField(default=list)
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class SecretVersion(Row):
    """One encrypted value set: AES-GCM bound to (secret id, version), under the key named by ``key_id``."""

    secret = models.ForeignKey(Secret, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    key_id = models.CharField(max_length=16)
    ciphertext = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["secret", "number"], name="secret_version_once")]


class SealedText(Row):
    """One encrypted text of another table, such as an address with a password in it; bound to its own id."""

    key_id = models.CharField(max_length=16)
    ciphertext = models.BinaryField()


class SecretUse(models.Model):
    """One reading of a secret for a step. Ids go up the floor plan, so they are not foreign keys."""

    secret = models.ForeignKey(Secret, on_delete=models.CASCADE, related_name="uses")
    version = models.PositiveIntegerField()
    run_id = models.UUIDField()
    step_name = models.CharField(max_length=255)
    attempt_id = models.UUIDField(db_index=True)
    at = models.DateTimeField(auto_now_add=True)
