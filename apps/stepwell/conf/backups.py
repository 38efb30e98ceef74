"""Backups: one tar file with the database as of one moment and every file it names, taken while the instance works."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection

from stepwell.errors import StepwellError
from stepwell.kit import locks
from stepwell.kit.schema import applied_migrations

FORMAT = 1
MANIFEST = "manifest.json"
#: the database's member, by engine
SQLITE, POSTGRES = "database/stepwell.db", "database/postgres.dump"
FILES = "files/"
#: what the data folder has besides that is worth keeping
_FOLDERS = ("code", "logs", "artifacts")
_CHUNK = 1 << 20


class BackupError(StepwellError):
    """A backup cannot be made, or cannot be used."""

    code = "backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself; ``members`` are (size, sha256) by name, ``migrations`` what was applied."""

    version: str
    made_at: str
    host: str
    migrations: list[str]
    members: dict[str, tuple[int, str]] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def database(self) -> str:
        return SQLITE if SQLITE in self.members else POSTGRES

    @property
    def n_bytes(self) -> int:
        return sum(size for size, _ in self.members.values())


def make(target: Path, *, version: str) -> Manifest:
    """Write a backup to ``target``, which appears once it is complete, and return what is in it.

    Raises:
        BackupError: The database cannot be copied, or the file cannot be written.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with locks.hold(locks.BACKUP), tempfile.TemporaryDirectory(dir=settings.HOME, prefix=".backup-") as scratch:
            with _open_draft(draft) as file, tarfile.open(fileobj=file, mode=_mode(target, "w")) as archive:
                manifest = _fill(archive, home=Path(settings.HOME), scratch=Path(scratch), version=version)
            os.replace(draft, target)
            _sync(target.parent)
    except OSError as exc:
        raise BackupError(
            f"The backup cannot be written: {exc.strerror or exc}.", hint="Nothing was changed."
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def _fill(archive: tarfile.TarFile, *, home: Path, scratch: Path, version: str) -> Manifest:
    manifest = Manifest(
        version=version,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        host=platform.node(),
        migrations=applied_migrations(),
    )
    # The database first: every file its rows name is there already, and stays while the lock is held.
    name, copy = _copy_database(scratch)
    _add(archive, name, copy, manifest)
    copy.unlink()
    for path in _files(home):
        _add(archive, FILES + path.relative_to(home).as_posix(), path, manifest)
    text = json.dumps(asdict(manifest), indent=1).encode()
    archive.addfile(_member(MANIFEST, len(text)), io.BytesIO(text))
    return manifest


def _copy_database(scratch: Path) -> tuple[str, Path]:
    if connection.vendor == "sqlite":
        copy = scratch / "stepwell.db"
        _copy_sqlite(Path(connection.settings_dict["NAME"]), copy)
        return SQLITE, copy
    copy = scratch / "postgres.dump"
    run_postgres("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={copy}")
    return POSTGRES, copy


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source, timeout=30)) as live, closing(sqlite3.connect(target)) as copy:
        # All pages in one step: the copy is of one moment, and writers go on meanwhile in the write-ahead log.
        live.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")


def run_postgres(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs on the configured database; the password is not on its command line.

    Raises:
        BackupError: It is not installed, or it failed.
    """
    database = connection.settings_dict
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGDATABASE": "NAME"}
    environment = {**os.environ, **{name: str(database[key]) for name, key in names.items() if database.get(key)}}
    hint = f"Or back the database up with {program} and the data folder beside it, in this order."
    try:
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BackupError(
            f"The program {program} is not installed, which a PostgreSQL database needs.",
            hint="Install PostgreSQL's client programs, of the server's version or newer.",
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackupError(f"{program} failed: {said}", hint=hint)


def _files(home: Path) -> Iterator[Path]:
    for name in ("keyring", "session.key"):
        if (home / name).is_file():
            yield home / name
    for folder in _FOLDERS:
        yield from _below(home / folder)


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files that hold something: not what is being written, nor code that is unpacked again when needed."""
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = [] if folder.name == "code" else sorted(name for name in folders if not name.startswith("."))
        # An index before the log it is about: then it never names a line that is not there.
        for name in sorted(names, key=lambda name: (not name.endswith((".blocks", ".times")), name)):
            path = here / name
            if not name.startswith(".") and not path.is_symlink() and (folder.name != "code" or path.suffix == ".zip"):
                yield path


def _add(archive: tarfile.TarFile, name: str, path: Path, manifest: Manifest) -> None:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        # A full log has dropped its oldest part meanwhile, or a person has deleted the run.
        return
    with file:
        # A log may grow while it is read: what there is now is taken.
        size = os.fstat(file.fileno()).st_size
        reader = _Hashing(file)
        archive.addfile(_member(name, size), reader)  # type: ignore[arg-type]
        manifest.members[name] = (size, reader.digest.hexdigest())


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


class _Hashing:
    """A reader that hashes what is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk


def extract(source: Path, folder: Path | None) -> Manifest:
    """Read a whole backup, check every byte, and put its members below ``folder`` unless that is None.

    Raises:
        BackupError: It is not a backup, is damaged or incomplete, or holds something it should not.
    """
    found: dict[str, tuple[int, str]] = {}
    manifest: Manifest | None = None
    try:
        with tarfile.open(source, mode=_mode(source, "r")) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if not member.isreg() or content is None or not is_safe(member.name):
                    raise BackupError(f"{source.name} holds {member.name[:80]!r}, which no backup does.")
                if member.name == MANIFEST:
                    manifest = _parse(content.read(), source)
                else:
                    found[member.name] = _take(content, folder / member.name if folder else None)
    except FileNotFoundError:
        raise BackupError(f"There is no file {source}.") from None
    except (tarfile.TarError, EOFError, OSError, ValueError) as exc:
        raise BackupError(f"{source.name} cannot be read: {exc}.", hint="It is damaged, or not a backup.") from None
    if manifest is None:
        raise BackupError(f"{source.name} has no {MANIFEST}.", hint="It is cut off, or not a backup.")
    if wrong := sorted(name for name in manifest.members.keys() | found if _differs(name, manifest, found)):
        raise BackupError(f"{source.name} is damaged: {wrong[0]} is not what was stored.", hint="Use another backup.")
    return manifest


def is_safe(name: str) -> bool:
    """Return whether a member's name stays below the folder it is put into."""
    parts = name.split("/")
    return "\\" not in name and "\0" not in name and all(part not in ("", ".", "..") for part in parts)


def _differs(name: str, manifest: Manifest, found: dict[str, tuple[int, str]]) -> bool:
    return name not in found or tuple(manifest.members.get(name, ())) != found[name]


def _take(content: IO[bytes], target: Path | None) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(target or os.devnull, "wb") as file:
        if target is not None:
            os.fchmod(file.fileno(), 0o600)
        while chunk := content.read(_CHUNK):
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
    return size, digest.hexdigest()


def _parse(text: bytes, source: Path) -> Manifest:
    unreadable = BackupError(f"The {MANIFEST} of {source.name} cannot be read.", hint="It is damaged, or not a backup.")
    try:
        told: dict[str, Any] = json.loads(text)
        if told.get("format") != FORMAT:
            raise BackupError(f"{source.name} was made by a newer version of Stepwell.", hint="Upgrade this one first.")
        told["members"] = {name: tuple(facts) for name, facts in told["members"].items()}
        return Manifest(**{name: told[name] for name in Manifest.__dataclass_fields__})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise unreadable from None


def _mode(path: Path, mode: str) -> Any:
    return f"{mode}|gz" if path.name.endswith((".gz", ".tgz")) else f"{mode}|"


def _open_draft(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
