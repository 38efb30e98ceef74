"""The program, the folder and the file system an instance stands on, and whether they do. Asked before Django loads."""

from __future__ import annotations

import errno
import importlib.metadata
import platform
import sqlite3
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stepwell.kit.findings import FAIL, Finding

_CHECKOUT = Path(__file__).resolve().parents[3]
#: claims need UPDATE … RETURNING
_OLDEST_SQLITE = (3, 35, 0)
#: file locks, which SQLite needs, do not work on these, or not always
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "afs"}
MOUNTS = Path("/proc/mounts")


def version() -> str:
    """Return the installed version, or the checkout's."""
    try:
        return importlib.metadata.version("stepwell")
    except importlib.metadata.PackageNotFoundError:
        project: dict[str, Any] = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])


def check_program() -> Finding:
    """Tell the versions, and check that SQLite is new enough."""
    text = f"Stepwell {version()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        todo = f"Use a Python with SQLite {'.'.join(map(str, _OLDEST_SQLITE[:2]))} or newer, or PostgreSQL."
        return Finding(name="program", level=FAIL, text=text, todo=todo)
    return Finding(name="program", text=text)


def check_folder(find: Callable[[], Path]) -> Finding:
    """Check that the data folder is there, writable, and private."""
    name = "data folder"
    try:
        folder = find()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
    except OSError as exc:
        todo = "Give this user the right to write there, or set STEPWELL_HOME to another folder."
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            todo = "Make room: nothing can be stored, and no steps are started."
        where = f": {exc.filename}" if exc.filename else ""
        return Finding(name=name, level=FAIL, text=f"cannot be written: {exc.strerror}{where}", todo=todo)
    if folder.stat().st_mode & 0o077:
        text = f"{folder} can be read by other users of this machine"
        return Finding(name=name, level=FAIL, text=text, todo=f"chmod 700 {folder}")
    return Finding(name=name, text=str(folder))


def check_file_system(folder: Path) -> Finding:
    """Check that the data folder is on a file system whose locks SQLite can trust."""
    kind = _file_system(folder)
    if kind in _NETWORK:
        return Finding(
            name="file system",
            level=FAIL,
            text=f"{folder} is on {kind}, where SQLite can lose what it wrote",
            todo="Set STEPWELL_HOME to a folder of a local disk, or use PostgreSQL.",
        )
    return Finding(name="file system", text=kind or "not known")


def _file_system(folder: Path) -> str:
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found = [line.split() for line in lines]
    above = [(words[1].replace("\\040", " "), words[2]) for words in found if len(words) > 2]
    here = [(len(place), kind) for place, kind in above if folder.resolve().is_relative_to(place)]
    return max(here, default=(0, ""))[1]
