"""What the pages of secrets read: names, keys and uses, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, OuterRef, Q, Subquery
from django.views.decorators.debug import sensitive_variables

from stepwell.errors import NotFound
from stepwell.vault import keyring, sealing
from stepwell.vault.models import SealedText, Secret, SecretUse, SecretVersion

#: values of a key that are tried to see whether it is the right one
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretLine:
    """One secret, and the step that read it most recently."""

    id: UUID
    name: str
    keys: list[str]
    version: int
    #: when its present values were set
    set_at: datetime
    use: SecretUse | None


def get_secret(name: str) -> Secret:
    """Return the secret called ``name``, or with this id.

    Raises:
        NotFound: There is none.
    """
    secret = find_secrets([name.replace("\x00", "")]).get(name)
    if secret is None:
        raise NotFound(f"There is no secret “{name}”.", hint="“stepwell secrets list” shows which there are.")
    return secret


def find_secrets(refs: Iterable[str]) -> dict[str, Secret]:
    """Return secrets by what names each, its name or its id; those that do not exist are left out."""
    wanted = set(refs)
    ids = {found: ref for ref in wanted if (found := _as_id(ref))}
    rows = Secret.objects.select_related("created_by").filter(Q(name__in=wanted) | Q(id__in=ids))
    by_id = {ids[secret.id]: secret for secret in rows if secret.id in ids}
    # A name goes first, should one look like an id.
    return by_id | {secret.name: secret for secret in rows if secret.name in wanted}


def _as_id(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None


def list_secrets() -> list[SecretLine]:
    """Return all secrets by name."""
    newest = SecretUse.objects.filter(secret=OuterRef("pk")).order_by("-id").values("id")[:1]
    secrets = list(Secret.objects.annotate(latest_use=Subquery(newest)))
    uses = SecretUse.objects.in_bulk([secret.latest_use for secret in secrets if secret.latest_use])
    return [
        SecretLine(
            id=secret.id,
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


@sensitive_variables()
def unreadable() -> list[tuple[str, str]]:
    """Return what is stored encrypted and cannot be opened: what it is, and the id of the key it needs.

    Raises:
        VaultError: The key ring itself cannot be read.
    """
    keyring.load()
    newest = SecretVersion.objects.select_related("secret").filter(number=F("secret__version"))
    sealed = [(f"secret {one.secret.name}", one.key_id, one.ciphertext, sealing.version_context(one)) for one in newest]
    texts = SealedText.objects.all()
    sealed += [("an alert's address", one.key_id, one.ciphertext, sealing.context_of(one)) for one in texts]
    return [(what, key_id) for what, key_id, text, context in sealed if not _opens(bytes(text), key_id, context)]


@sensitive_variables()
def closed_keys() -> list[str]:
    """Return the ids of keys that are missing from the key ring, or are not those that values were sealed with.

    Of each key a few values are tried: one that opens is enough, as a single one may have been changed.

    Raises:
        VaultError: The key ring itself cannot be read.
    """
    keyring.load()
    return sorted(key_id for key_id in sealing.keys_in_use() if not any(_tries(key_id)))


def _tries(key_id: str) -> Iterator[bool]:
    for version in SecretVersion.objects.filter(key_id=key_id).order_by("-pk")[:_TRIES]:
        yield _opens(bytes(version.ciphertext), key_id, sealing.version_context(version))
    for text in SealedText.objects.filter(key_id=key_id).order_by("-pk")[:_TRIES]:
        yield _opens(bytes(text.ciphertext), key_id, sealing.context_of(text))


@sensitive_variables()
def _opens(sealed: bytes, key_id: str, context: str) -> bool:
    try:
        keyring.unseal(sealed, key_id=key_id, context=context)
    except keyring.WrongKey:
        return False
    return True
