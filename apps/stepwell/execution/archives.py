"""Code archives: the user's source as it was, one zip per content hash in the data folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from django.conf import settings

from stepwell.errors import ArtifactError, UsageError

_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "build", "dist"}
_KEPT_SUFFIXES = {".py", ".yaml", ".yml", ".toml", ".json", ".sql", ".txt", ".csv"}
_MOST_FILES = 2000
_MOST_FOLDERS = 5000
_MOST_BYTES = 20 * 1024 * 1024
_MOST_BYTES_PER_DATA_FILE = 256 * 1024
_LONGEST_NAME = 255
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = "The stored code of this run is damaged."
#: the bit of a member's flags that says so
_ENCRYPTED = 1


def keep(source_root: Path, *, entry_file: Path) -> str:
    """Store the source files below ``source_root`` and return the archive's hash.

    Kept are Python files, and small text files beside them; hidden folders, virtual environments and build folders
    are left out.

    Raises:
        UsageError: There are more than 2,000 files or 20 MiB.
    """
    files = sorted({*islice(_source_files(source_root), _MOST_FILES + 1), entry_file.resolve()})
    if len(files) > _MOST_FILES or sum(path.stat().st_size for path in files) > _MOST_BYTES:
        raise UsageError(
            f"{source_root} holds more than {_MOST_FILES:,} source files or 20 MiB, too much to keep with a run.",
            hint="Put the pipeline into a folder of its own.",
        )
    contents = [(path.relative_to(source_root.resolve()).as_posix(), path.read_bytes()) for path in files]
    digest = hashlib.sha256()
    for name, content in contents:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    code_hash = digest.hexdigest()
    _write(code_hash, contents)
    return code_hash


def unpacked(code_hash: str) -> Path:
    """Return the folder with the archive's files, unpacked on first use.

    Raises:
        ArtifactError: The archive is gone or damaged.
    """
    folder = _folder() / code_hash
    if folder.is_dir():
        return folder
    archive = _folder() / f"{code_hash}.zip"
    draft = Path(tempfile.mkdtemp(dir=_folder(), prefix=".unpack-"))
    try:
        with zipfile.ZipFile(archive) as content:
            for member in _checked_members(content):
                _extract(content, member, draft)
        os.rename(draft, folder)
    except FileNotFoundError as exc:
        raise ArtifactError("The code of this run is gone.", hint="Register the file again.") from exc
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as exc:
        raise ArtifactError(_DAMAGED, hint="Register the file again.") from exc
    except OSError:
        # Another process unpacked it meanwhile: rename() refuses a folder that is not empty.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _folder() -> Path:
    folder = Path(settings.HOME) / "code"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(code_hash: str, contents: list[tuple[str, bytes]]) -> None:
    target = _folder() / f"{code_hash}.zip"
    if target.exists():
        # It is about to be named again: the sweep of what nothing names leaves young files alone.
        os.utime(target)
        return
    with tempfile.NamedTemporaryFile(dir=_folder(), delete=False) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents:
                archive.writestr(name, content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, target)


def _checked_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return what the archive holds, which is no more than ``keep`` puts into one."""
    members = archive.infolist()
    if len(members) > _MOST_FILES or sum(member.file_size for member in members) > _MOST_BYTES:
        raise ArtifactError("The stored code holds more than an archive of ours can.")
    names = {member.filename for member in members}
    if len(names) != len(members):
        raise ArtifactError("The stored code holds one path twice.")
    for member in members:
        above = PurePosixPath(member.filename).parents
        is_packed_by_us = not member.flag_bits & _ENCRYPTED and member.compress_type in _METHODS
        if not _is_plain(member.filename) or any(str(folder) in names for folder in above) or not is_packed_by_us:
            raise ArtifactError(f"The stored code holds {member.filename[:80]!r}, which no archive of ours does.")
    return members


def _is_plain(name: str) -> bool:
    sizes = {part: len(part.encode("utf-8", "replace")) for part in name.split("/")}
    return not sizes.keys() & {"", ".", ".."} and max(sizes.values()) <= _LONGEST_NAME


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = (folder / member.filename).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise ArtifactError(f"The stored code holds a path outside its folder: {member.filename!r}.")
    try:
        content = archive.read(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as exc:
        # Also where a damaged list of members leads the reader to a place that is not in the file.
        raise ArtifactError(_DAMAGED, hint="Register the file again.") from exc
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _source_files(root: Path) -> Iterator[Path]:
    # Logs and results beside the code are no code, and change with every run.
    data_folder = Path(settings.HOME).resolve()
    for visited, (folder, folders, names) in enumerate(os.walk(root.resolve())):
        if visited > _MOST_FOLDERS:
            raise UsageError(
                f"{root} holds more than {_MOST_FOLDERS:,} folders, too many to keep with a run.",
                hint="Put the pipeline into a folder of its own.",
            )
        here = Path(folder)
        folders[:] = [name for name in folders if not _is_skipped(here / name) and here / name != data_folder]
        for name in names:
            path = here / name
            if path.suffix in _KEPT_SUFFIXES and not name.startswith(".") and _is_small(path):
                yield path


def _is_skipped(folder: Path) -> bool:
    name = folder.name
    return name.startswith(".") or name in _SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists() or folder.is_symlink()


def _is_small(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    return path.suffix == ".py" or path.stat().st_size <= _MOST_BYTES_PER_DATA_FILE
