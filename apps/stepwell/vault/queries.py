"""What the pages of secrets read: names, keys and uses, never a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from stepwell.errors import NotFound
from stepwell.vault.models import Secret, SecretUse


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretLine:
    """One secret, and the step that read it most recently."""

    name: str
    keys: list[str]
    version: int
    #: when its present values were set
    set_at: datetime
    use: SecretUse | None


def get_secret(name: str) -> Secret:
    """Return the secret called ``name``.

    Raises:
        NotFound: There is none.
    """
    secret = Secret.objects.select_related("created_by").filter(name=name.replace("\x00", "")).first()
    if secret is None:
        raise NotFound("There is no secret of this name.")
    return secret


def list_secrets() -> list[SecretLine]:
    """Return all secrets by name."""
    newest = SecretUse.objects.filter(secret=OuterRef("pk")).order_by("-id").values("id")[:1]
    secrets = list(Secret.objects.annotate(latest_use=Subquery(newest)))
    uses = SecretUse.objects.in_bulk([secret.latest_use for secret in secrets if secret.latest_use])
    return [
        SecretLine(
            name=secret.name,
            keys=secret.keys,
            version=secret.version,
            set_at=secret.rotated_at or secret.created_at,
            use=uses.get(secret.latest_use),
        )
        for secret in secrets
    ]


def latest_uses(*, secret: Secret, limit: int = 20) -> list[SecretUse]:
    """Return the most recent readings of a secret, newest first."""
    return list(SecretUse.objects.filter(secret=secret).order_by("-id")[:limit])
