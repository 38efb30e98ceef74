"""The key ring: a private file of AES keys outside the database, newest first, one ``id:base64`` a line."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from stepwell.errors import StepwellError

_KEY_BYTES = 32
_NONCE_BYTES = 12


class VaultError(StepwellError):
    """A secret cannot be encrypted or decrypted."""

    code: ClassVar[str] = "vault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. It encrypts nothing but secrets' values."""

    id: str
    material: bytes = field(repr=False)


class WrongKey(Exception):
    """The key is not in the ring, or is not the one the text was sealed with, or the text was changed."""


def load() -> list[Key]:
    """Return the keys, newest first; none when there is no file yet.

    Raises:
        VaultError: The file can be read by others than its owner, or is damaged.
    """
    path = Path(settings.KEYRING_FILE)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise VaultError(
                    "The key ring can be read by other users of this machine.",
                    hint=f"Run chmod 600 on the file {path.name} in the data folder.",
                )
            lines = file.read().decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise VaultError(f"The key ring cannot be read: {exc.strerror}.") from None
    return [_parse(line) for line in lines if line.strip()]


def newest(*, make: bool) -> Key:
    """Return the key to seal with.

    Args:
        make:
            Write a first key when there is none. Say False while sealed values exist: their keys are lost then, and a
            new file would hide it.

    Raises:
        VaultError: There is no key and none may be made, or the file is damaged.
    """
    if keys := load():
        return keys[0]
    if not make:
        raise VaultError(
            "The key ring is gone, but there are secrets encrypted with it.",
            hint="Put the file back from a backup, or delete the secrets and create them anew.",
        )
    with _lock():
        if not load():
            _write([_new_key()])
    return load()[0]


def add_key() -> Key:
    """Put a new key in front: what is sealed from now on uses it. Older keys stay, to open what they sealed."""
    with _lock():
        key = _new_key()
        _write([key, *load()])
    return key


def drop_keys(*, keep: set[str]) -> list[str]:
    """Remove every key but the newest two and those named by ``keep``; return the ids of those removed.

    The second stays because somebody may have taken it to seal a value that is not stored yet.
    """
    with _lock():
        keys = load()
        dropped = [key for key in keys[2:] if key.id not in keep]
        if dropped:
            _write([key for key in keys if key not in dropped])
    return [key.id for key in dropped]


def seal(plain: bytes, *, key: Key, context: str) -> bytes:
    """Encrypt and sign ``plain``; it opens only with the same ``context``."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key.material).encrypt(nonce, plain, context.encode())


def unseal(sealed: bytes, *, key_id: str, context: str) -> bytes:
    """Return what was sealed.

    Raises:
        WrongKey: It was changed, or sealed with another key or context.
    """
    key = next((key for key in load() if key.id == key_id), None)
    if key is None or len(sealed) <= _NONCE_BYTES:
        raise WrongKey
    try:
        return AESGCM(key.material).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except InvalidTag:
        raise WrongKey from None


def _new_key() -> Key:
    return Key(id=secrets.token_hex(4), material=AESGCM.generate_key(bit_length=_KEY_BYTES * 8))


def _parse(line: str) -> Key:
    name, _, text = line.strip().partition(":")
    try:
        material = base64.b64decode(text, validate=True)
    except ValueError:
        material = b""
    if not name or len(material) != _KEY_BYTES:
        # Never quotes the line: most of it may be a key.
        raise VaultError(
            "The key ring is damaged: a line is not an id, a colon and a key.", hint="Put the file back from a backup."
        )
    return Key(id=name, material=material)


def _write(keys: list[Key]) -> None:
    path = Path(settings.KEYRING_FILE)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for key in keys:
                file.write(f"{key.id}:{base64.b64encode(key.material).decode()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # A key that is lost with the power takes every value sealed with it along.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _lock() -> Iterator[None]:
    path = Path(settings.KEYRING_FILE)
    handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
