"""Room on the disk: below a reserve no step is started, so that those that run can still store what they made."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from stepwell.errors import Unavailable
from stepwell.execution import inputs

#: share of a small disk that is kept free
_SHARE = 0.05


def require_room() -> None:
    """Refuse to take on more work.

    Raises:
        Unavailable: There is too little room.
    """
    if problem := shortage():
        raise Unavailable(f"{problem} No run is started until there is more.", hint="Free space on the server's disk.")


def shortage() -> str:
    """Return which folder has too little room, in words, or nothing when all have enough."""
    for folder in _folders():
        if problem := _problem(folder):
            return problem
        found = os.statvfs(folder)
        free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        if free < reserve(total):
            return f"Only {free // 2**20:,} MB are free in {folder}."
    return ""


def reserve(total: int) -> float:
    """Return how many bytes of a disk of that size are kept free."""
    return float(min(settings.DISK_RESERVE_BYTES, _SHARE * total))


def fault() -> str:
    """Return which folder cannot be written at all, in words, or nothing."""
    return next(filter(None, map(_problem, _folders())), "")


def _folders() -> set[Path]:
    return {Path(settings.HOME), inputs.artifact_root()}


def _problem(folder: Path) -> str:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as exc:
        return f"The folder {folder} cannot be used: {exc.strerror}."
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"The folder {folder} cannot be written."
