"""``stepwell doctor``: checks an installation, and says what to do about what is wrong."""

from __future__ import annotations

import argparse
import errno
import logging
import platform
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from stepwell.conf import paths
from stepwell.conf.cli_findings import FAIL, Finding
from stepwell.conf.cli_output import print_json
from stepwell.conf.cli_setup import load_django, version
from stepwell.errors import StepwellError

#: claims need UPDATE … RETURNING
_OLDEST_SQLITE = (3, 35, 0)
#: file locks, which SQLite needs, do not work on these, or not always
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "afs"}
MOUNTS = Path("/proc/mounts")


def examine(options: argparse.Namespace) -> int:
    """Run every check; return 1 when one failed. A warning alone is no failure."""
    findings = list(check_all())
    if options.json:
        print_json([{**asdict(finding), "ok": finding.ok} for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.level:4}  {finding.name}: {finding.text}")
            if finding.todo:
                print(f"      {finding.todo}")
    return 0 if all(finding.ok for finding in findings) else 1


def check_all() -> Iterator[Finding]:
    """Yield the finding of each check; those that need what is broken are left out."""
    yield check_program()
    folder = check_folder()
    yield folder
    if not folder.ok:
        return
    yield check_file_system(paths.home())
    try:
        load_django()
        # Each finding says once what a server has to log each time.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    except StepwellError as exc:
        yield Finding(name="settings", level=FAIL, text=exc.message, todo=exc.hint)
        return
    yield Finding(name="settings", text="every value is allowed")
    from stepwell.conf import cli_doctor_data

    yield from cli_doctor_data.check_all()


def check_program() -> Finding:
    """Tell the versions, and check that SQLite is new enough."""
    text = f"Stepwell {version()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        todo = f"Use a Python with SQLite {'.'.join(map(str, _OLDEST_SQLITE[:2]))} or newer, or PostgreSQL."
        return Finding(name="program", level=FAIL, text=text, todo=todo)
    return Finding(name="program", text=text)


def check_folder() -> Finding:
    """Check that the data folder is there, writable, and private."""
    name = "data folder"
    try:
        folder = paths.home()
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
