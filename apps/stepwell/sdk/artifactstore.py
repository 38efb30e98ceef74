"""The artifact store in a folder: values are written aside, hashed, made durable and appear with one rename."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stepwell.core import failpoints
from stepwell.errors import ArtifactError

#: folder below the root where values are written before they are published
DRAFTS = ".drafts"
_CHUNK = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


class ArtifactCorrupt(ArtifactError):
    """Stored data is not what was recorded."""

    code: ClassVar[str] = "artifact_corrupt"


class StorageFull(ArtifactError):
    """The artifact store cannot take more data."""

    code: ClassVar[str] = "storage_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is recorded of a published folder: ``uri`` below the root, ``size`` in bytes, ``sha256`` over all files."""

    uri: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A folder being filled; nobody reads it before ``ArtifactStore.publish``."""

    path: Path

    def folder(self, name: str) -> Path:
        """Return the folder for ``name`` in this draft, made on first use.

        Raises:
            ArtifactError: The name is not one plain folder name.
        """
        if len(_safe_parts(name)) != 1:
            raise ArtifactError(f"{name!r} cannot be the name of a folder.")
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder

    def discard(self) -> None:
        """Remove the draft and what is in it; nothing when it was published."""
        shutil.rmtree(self.path, ignore_errors=True)


class ArtifactStore:
    """Published folders below one root. Names are relative, with ``/`` between the parts."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(os.path.realpath(root))

    def begin(self, *, owner: str = "") -> Draft:
        """Make an empty draft on the same file system as the published folders; its name begins with ``owner``.

        Raises:
            StorageFull: The disk is full or cannot be written.
        """
        path = self.root / DRAFTS / f"{owner}{secrets.token_hex(12)}"
        with storage_errors(self.root):
            path.mkdir(parents=True)
        return Draft(path)

    def publish(self, draft: Draft, folder: str) -> dict[str, Stored]:
        """Make the draft durable and let it appear as ``folder``; return what is recorded per folder inside it.

        An existing ``folder`` is never touched: the draft then appears beside it under a longer name.

        Raises:
            ArtifactError: ``folder`` leaves the root, or the draft holds something else than files and folders.
            StorageFull: The disk is full or cannot be written.
        """
        with storage_errors(self.root):
            found = {name: _seal(draft.path / name) for name in sorted(os.listdir(draft.path))}
            _sync(draft.path)
            place = self._move(draft.path, folder)
        return {name: Stored(uri=f"{place}/{name}", size=size, sha256=sha256) for name, (size, sha256) in found.items()}

    def resolve(self, uri: str) -> Path:
        """Return the absolute path of ``uri``.

        Raises:
            ArtifactError: The name is absolute, has ``..`` or other odd parts, or leads through a symbolic link.
        """
        path = self.root.joinpath(*_safe_parts(uri))
        if os.path.realpath(path) != str(path):
            raise ArtifactError(f"The artifact {uri!r} leads through a symbolic link.", hint="It is not read.")
        return path

    def verify(self, uri: str, *, size: int, sha256: str) -> Path:
        """Return the folder of ``uri`` after every byte of it was checked.

        Raises:
            ArtifactCorrupt: The folder is missing or its content is not what was recorded.
            ArtifactError: The name is not safe.
        """
        path = self.resolve(uri)
        wanted = f"wanted {size} bytes, sha256 {sha256}"
        if not path.is_dir():
            raise ArtifactCorrupt(f"The data at {uri} is missing: {wanted}; got nothing.", uri=uri)
        try:
            got_size, got_sha256 = measure(path)
        except OSError as exc:
            raise ArtifactCorrupt(f"The data at {uri} cannot be read: {wanted}; got {exc}.", uri=uri) from exc
        if (got_size, got_sha256) != (size, sha256):
            got = f"got {got_size} bytes, sha256 {got_sha256}"
            raise ArtifactCorrupt(f"The data at {uri} is not what was stored: {wanted}; {got}.", uri=uri)
        return path

    def sweep(self, *, older_than_seconds: float = 86_400) -> int:
        """Remove drafts whose process died; return how many."""
        removed = 0
        limit = time.time() - older_than_seconds
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.root / DRAFTS):
                if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < limit:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    removed += 1
        return removed

    def _move(self, path: Path, folder: str) -> str:
        parts = _safe_parts(folder)
        parent = self.resolve("/".join(parts[:-1])) if parts[:-1] else self.root
        parent.mkdir(parents=True, exist_ok=True)
        place = "/".join(parts)
        if os.path.lexists(self.root / place):
            place = f"{place}~{secrets.token_hex(4)}"
        failpoints.hit("before_artifact_rename")
        path.rename(self.root / place)
        _sync(parent)
        return place


def measure(folder: Path) -> tuple[int, str]:
    """Return the size in bytes of all files below ``folder`` and one sha256 over their names and contents.

    Raises:
        ArtifactError: Something in it is neither a file nor a folder.
    """
    return _hash_files(folder, sync=False)


def _seal(folder: Path) -> tuple[int, str]:
    if folder.is_symlink() or not folder.is_dir():
        raise ArtifactError(f"{folder.name!r} in a step's output is not a folder.")
    found = _hash_files(folder, sync=True)
    _sync(folder)
    return found


def _hash_files(folder: Path, *, sync: bool) -> tuple[int, str]:
    total = 0
    digest = hashlib.sha256()
    for name in _file_names(folder):
        size, file_sha256 = _hash_file(folder / name, sync=sync)
        total += size
        # each name is preceded by its length, so that no two sets of files give the same bytes
        encoded = name.encode("utf-8", "surrogateescape")
        digest.update(b"%d:%s:%d:%s\n" % (len(encoded), encoded, size, file_sha256.encode()))
    return total, digest.hexdigest()


def _file_names(folder: Path) -> list[str]:
    names: list[str] = []
    waiting = [""]
    while waiting:
        base = waiting.pop()
        for entry in os.scandir(folder / base):
            name = f"{base}/{entry.name}" if base else entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)
            elif entry.is_file(follow_symlinks=False):
                names.append(name)
            else:
                raise ArtifactError(
                    f"{name!r} in a stored value is neither a file nor a folder.",
                    hint="Links, sockets and devices are not stored; copy the file instead.",
                )
    return sorted(names)


def _hash_file(path: Path, *, sync: bool) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ArtifactError(f"{path.name!r} in a stored value is not a file.")
        if sync:
            os.fsync(fd)
        while chunk := os.read(fd, _CHUNK):
            size += len(chunk)
            digest.update(chunk)
    finally:
        os.close(fd)
    return size, digest.hexdigest()


def _safe_parts(name: str) -> list[str]:
    parts = name.split("/")
    bad = not name or "\\" in name or "\0" in name or len(name) > 1000
    if bad or any(part in {"", ".", ".."} or len(part.encode("utf-8", "replace")) > 255 for part in parts):
        raise ArtifactError(f"{name[:200]!r} is not the name of a stored value.")
    if parts[0] == DRAFTS:
        raise ArtifactError(f"{name[:200]!r} is not published.")
    return parts


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def storage_errors(root: Path) -> Iterator[None]:
    """Report a full or read-only disk inside the block as ``StorageFull``."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise StorageFull(
            f"The artifact store at {root} cannot be written: {exc.strerror}.",
            hint="Free space, then run the step again.",
        ) from exc
