"""Locks between the processes of one data folder: files that a process holds and loses when it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

#: held while files are copied: nothing that is stored may be removed meanwhile
BACKUP = "backup"


@contextmanager
def hold(name: str, *, waits: bool = True) -> Iterator[bool]:
    """Hold the lock ``name`` inside the block; where it is not waited for, say whether it was to be had."""
    handle = os.open(Path(settings.HOME) / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
