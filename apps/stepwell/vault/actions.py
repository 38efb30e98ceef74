"""Secrets are created, rotated, deleted and handed to steps here, and their values appear nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from stepwell.accounts import audit
from stepwell.accounts.models import User
from stepwell.errors import Conflict, NotFound
from stepwell.vault import keyring, queries, rules, sealing
from stepwell.vault.keyring import VaultError, WrongKey
from stepwell.vault.models import Secret, SecretUse, SecretVersion, secret_name


class SecretExists(Conflict):
    """There is a secret of this name already."""

    code = "secret_exists"


@sensitive_variables("values")
def put_secret(*, name: str, values: dict[str, str], by: User | None, ip: str | None = None) -> Secret:
    """Create a secret. Each key becomes an environment variable of the steps that name the secret.

    Raises:
        NameRefused: The name does not do.
        SecretRefused: A key or a value does not do.
        SecretExists: There is a secret of this name.
        VaultError: The key ring cannot be used.
    """
    _check_name(name)
    rules.check_values(values)
    with transaction.atomic():
        if Secret.objects.filter(name=name).exists():
            raise SecretExists(f"There is a secret called {name} already.", hint="Rotate it, or choose another name.")
        secret = Secret.objects.create(name=name, keys=list(values), version=1, created_by=by)
        _store(secret, values)
        _record(secret, by=by, action="secret.created", ip=ip, after={"keys": secret.keys, "version": 1})
    return secret


@sensitive_variables("values")
def rotate_secret(*, secret: Secret, values: dict[str, str], by: User | None, ip: str | None = None) -> Secret:
    """Replace all keys and values of a secret. Attempts that start from now on get the new ones.

    Raises:
        SecretRefused: A key or value does not do.
        NotFound: The secret was deleted meanwhile.
        VaultError: The key ring cannot be used.
    """
    rules.check_values(values)
    with transaction.atomic():
        secret = _locked(secret)
        before = {"keys": secret.keys, "version": secret.version}
        secret.keys, secret.version, secret.rotated_at = list(values), secret.version + 1, timezone.now()
        secret.save(update_fields=["keys", "version", "rotated_at"])
        _store(secret, values)
        after = {"keys": secret.keys, "version": secret.version}
        _record(secret, by=by, action="secret.rotated", ip=ip, before=before, after=after)
    return secret


def delete_secret(*, secret: Secret, by: User | None, ip: str | None = None) -> None:
    """Delete a secret with all its versions. Steps that name it fail from now on.

    Raises:
        NotFound: It was deleted before.
    """
    with transaction.atomic():
        secret = _locked(secret)
        before = {"keys": secret.keys, "version": secret.version}
        _record(secret, by=by, action="secret.deleted", ip=ip, before=before)
        secret.delete()


def check_names(names: Iterable[str]) -> None:
    """Accept names, or ids, of secrets that exist.

    Raises:
        NotFound: Some do not; the message names them.
    """
    wanted = dict.fromkeys(names)
    known = queries.find_secrets(wanted)
    if unknown := [name for name in wanted if name not in known]:
        raise NotFound(
            f"There is no secret called {', '.join(unknown)}.", hint="An admin creates it on the page Secrets."
        )


@sensitive_variables()
def values_for_step(*, names: Iterable[str], run_id: UUID, step_name: str, attempt_id: UUID) -> dict[str, str]:
    """Return the environment variables of the secrets a step names, and write down that it got them.

    Where two secrets share a key, the one named later counts.

    Raises:
        NotFound: There is no secret of one of the names.
        VaultError: A value cannot be decrypted; the message names the secret.
    """
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    environment: dict[str, str] = {}
    with transaction.atomic():
        check_names(wanted)
        secrets = queries.find_secrets(wanted)
        for name in wanted:
            environment |= _open(secrets[name])
        SecretUse.objects.bulk_create(
            SecretUse(
                secret=secrets[name],
                version=secrets[name].version,
                run_id=run_id,
                step_name=step_name[:255],
                attempt_id=attempt_id,
            )
            for name in wanted
        )
    return environment


@sensitive_variables()
def rekey(*, batch: int = 100) -> int:
    """Seal everything anew with the newest key, and return how many versions were.

    It may be stopped and repeated at any time, while secrets are read and changed.

    Raises:
        VaultError: A version cannot be decrypted, or there is no key.
    """
    key = keyring.newest(make=False)
    n_done = sealing.rekey(key)
    while True:
        stale = list(SecretVersion.objects.exclude(key_id=key.id).select_related("secret").order_by("pk")[:batch])
        if not stale:
            return n_done
        for version in stale:
            sealed = keyring.seal(_unseal(version), key=key, context=sealing.version_context(version))
            # Only if nobody was faster: the row still is what was opened.
            n_done += SecretVersion.objects.filter(pk=version.pk, key_id=version.key_id).update(
                key_id=key.id, ciphertext=sealed
            )


def rotate_keys(*, by: User | None = None, ip: str | None = None) -> int:
    """Make a new key, seal everything with it, and forget the keys nothing uses any more.

    Returns:
        How many versions were sealed anew.

    Raises:
        VaultError: A version cannot be decrypted; old and new keys are all kept then.
    """
    keyring.newest(make=not sealing.is_anything_sealed())
    key = keyring.add_key()
    n_done = rekey()
    keyring.drop_keys(keep=sealing.keys_in_use())
    audit.record(
        actor=by, action="keyring.rotated", object_kind="keyring", object_name=key.id, ip=ip, after={"sealed": n_done}
    )
    return n_done


def _check_name(name: str) -> None:
    try:
        secret_name(name)
    except ValidationError as exc:
        why = " ".join(exc.messages)
        raise rules.NameRefused("This name does not do.", hint=why) from None


def _locked(secret: Secret) -> Secret:
    row = Secret.objects.select_for_update().filter(pk=secret.pk).first()
    if row is None:
        raise NotFound(f"There is no secret called {secret.name} any more.")
    return row


@sensitive_variables()
def _store(secret: Secret, values: dict[str, str]) -> None:
    key = keyring.newest(make=not sealing.is_anything_sealed())
    version = SecretVersion(secret=secret, number=secret.version, key_id=key.id)
    version.ciphertext = keyring.seal(json.dumps(values).encode(), key=key, context=sealing.version_context(version))
    version.save(force_insert=True)


@sensitive_variables()
def _open(secret: Secret) -> dict[str, str]:
    version = SecretVersion.objects.select_related("secret").filter(secret=secret, number=secret.version).first()
    if version is None:
        raise VaultError(f"Secret {secret.name} has lost its value.", hint="Rotate it: enter its values again.")
    return json.loads(_unseal(version))


@sensitive_variables()
def _unseal(version: SecretVersion) -> bytes:
    try:
        return keyring.unseal(
            bytes(version.ciphertext), key_id=version.key_id, context=sealing.version_context(version)
        )
    except WrongKey:
        raise VaultError(
            f"Secret {version.secret.name} cannot be decrypted: its key {version.key_id} is not in the key ring, "
            "or what is stored was changed.",
            hint="Put the key ring back from a backup, or rotate the secret: enter its values again.",
        ) from None


def _record(
    secret: Secret,
    *,
    by: User | None,
    action: str,
    ip: str | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit.record(
        actor=by,
        action=action,
        object_kind="secret",
        object_id=secret.pk,
        object_name=secret.name,
        ip=ip,
        before=before,
        after=after,
    )
