"""The folder for temporary files that a step process has for itself, and what is left of it afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys

#: names of such folders are this and the attempt's id
PREFIX = "stepwell-"


def enter(folder: str) -> None:
    """Make a folder that only we may enter, and have this process and all below it put temporary files there.

    Where it cannot be made, or was there before, temporary files go where they went without.
    """
    with contextlib.suppress(OSError):
        os.mkdir(folder, mode=0o700)
        os.environ["TMPDIR"] = folder
    # What was imported before the fork may have asked already.
    if module := sys.modules.get("tempfile"):
        module.tempdir = None  # type: ignore[attr-defined]


def remove(folder: str) -> None:
    """Remove such a folder, if it is there and ours."""
    if folder and _is_ours(folder):
        shutil.rmtree(folder, ignore_errors=True)


def remove_aside(folder: str) -> int:
    """Remove such a folder, in a process of its own when something is in it; return its id, or 0."""
    if not folder:
        return 0
    try:
        os.rmdir(folder)
        return 0
    except OSError:
        if not _is_ours(folder):
            return 0
    try:
        pid = os.fork()
    except OSError:
        return 0
    if pid == 0:
        try:
            remove(folder)
        finally:
            os._exit(0)
    return pid


def _is_ours(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return found.st_uid == os.geteuid() and os.path.isdir(folder) and not os.path.islink(folder)
