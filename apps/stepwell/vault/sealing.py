"""Texts of other tables that are encrypted like secrets: addresses with passwords in them."""

from __future__ import annotations

from django.views.decorators.debug import sensitive_variables

from stepwell.vault import keyring
from stepwell.vault.keyring import Key, VaultError, WrongKey
from stepwell.vault.models import SealedText, SecretVersion


@sensitive_variables("text")
def put(text: str, *, row: SealedText | None = None) -> SealedText:
    """Store ``text`` encrypted, in ``row`` when it is given.

    Raises:
        VaultError: The key ring cannot be used.
    """
    key = keyring.newest(make=not is_anything_sealed())
    row = row or SealedText()
    row.key_id, row.ciphertext = key.id, keyring.seal(text.encode(), key=key, context=context_of(row))
    row.save()
    return row


@sensitive_variables()
def read(row: SealedText) -> str:
    """Return the text.

    Raises:
        VaultError: Its key is not in the key ring, or what is stored was changed.
    """
    try:
        return keyring.unseal(bytes(row.ciphertext), key_id=row.key_id, context=context_of(row)).decode()
    except WrongKey:
        raise VaultError(
            f"It cannot be decrypted: its key {row.key_id} is not in the key ring, or what is stored was changed.",
            hint="Put the key ring back from a backup, or enter it again.",
        ) from None


@sensitive_variables()
def rekey(key: Key) -> int:
    """Seal every text anew with ``key``; return how many were. It may be stopped and repeated at any time."""
    n_done = 0
    for row in SealedText.objects.exclude(key_id=key.id).order_by("pk"):
        sealed = keyring.seal(read(row).encode(), key=key, context=context_of(row))
        # Only if nobody was faster: the row still is what was opened.
        n_done += SealedText.objects.filter(pk=row.pk, key_id=row.key_id).update(key_id=key.id, ciphertext=sealed)
    return n_done


def is_anything_sealed() -> bool:
    """Return whether there is something that only a key of the ring can open."""
    return SecretVersion.objects.exists() or SealedText.objects.exists()


def keys_in_use() -> set[str]:
    """Return the ids of the keys that something was sealed with."""
    return {
        *SecretVersion.objects.values_list("key_id", flat=True).distinct(),
        *SealedText.objects.values_list("key_id", flat=True).distinct(),
    }


def context_of(row: SealedText) -> str:
    """Bind a sealed text to its row."""
    return f"stepwell-sealed:{row.pk}"


def version_context(version: SecretVersion) -> str:
    """Bind a sealed value to its row: it does not open in the place of another secret or version."""
    return f"stepwell-secret:{version.secret_id}:{version.number}"
