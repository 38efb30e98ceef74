"""Files that nothing names any more: of results that were never published, of runs and code that are gone."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from uuid import UUID

from django.conf import settings

from stepwell.artifacts.models import ArtifactVersion
from stepwell.core.status import AttemptStatus
from stepwell.engine import temps
from stepwell.execution import inputs
from stepwell.kit import locks
from stepwell.pipelines.models import Snapshot
from stepwell.runs.models import Attempt, Run

#: what is younger may be about to be named
OLD_SECONDS = 86_400
_MOST_A_ROUND = 2000
_LIVE = (AttemptStatus.QUEUED, AttemptStatus.RUNNING)


def sweep(*, older_than_seconds: float = OLD_SECONDS) -> int:
    """Remove one round of orphans; return how many. Nothing while a backup is made."""
    with locks.hold(locks.BACKUP, waits=False) as held:
        if not held:
            return 0
        before = time.time() - older_than_seconds
        found = [*_results(before), *_logs(before), *_archives(before), *_temps(before)]
    for path in found:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(found)


def _results(before: float) -> Iterator[Path]:
    """Yield the folders of attempts (run/step/attempt) that published nothing and do not run."""
    root = inputs.artifact_root()
    looked = 0
    for run in _old_ids(root, before):
        for step in _old_ids(run, before):
            for attempt in _old_ids(step, before):
                looked += 1
                if looked > _MOST_A_ROUND:
                    return
                place = attempt.relative_to(root).as_posix()
                is_named = ArtifactVersion.objects.filter(uri__startswith=f"{place}/").exists()
                runs = Attempt.objects.filter(id=attempt.name, status=AttemptStatus.RUNNING).exists()
                if not (is_named or runs):
                    yield attempt


def _logs(before: float) -> Iterator[Path]:
    folders = list(_old_ids(Path(settings.HOME) / "logs", before))[:_MOST_A_ROUND]
    known = {str(run) for run in Run.objects.filter(id__in=[one.name for one in folders]).values_list("id", flat=True)}
    yield from (folder for folder in folders if folder.name not in known)


def _temps(before: float) -> Iterator[Path]:
    """Yield folders of temporary files that the step hosts of our ended attempts could not remove."""
    for entry in Path(gettempdir()).glob(f"{temps.PREFIX}*-*-*-*-*"):
        with suppress(ValueError, OSError):
            attempt = UUID(entry.name.removeprefix(temps.PREFIX))
            status = entry.lstat()
            if status.st_mtime < before and status.st_uid == os.geteuid() and not entry.is_symlink():
                # Other installations on this machine have theirs there too.
                ended = Attempt.objects.filter(id=attempt).exclude(status__in=_LIVE)
                if ended.exists():
                    yield entry


def _archives(before: float) -> Iterator[Path]:
    known = set(Snapshot.objects.values_list("code_hash", flat=True).distinct())
    for entry in _entries(Path(settings.HOME) / "code"):
        if len(entry.stem) == 64 and entry.stem not in known and entry.stat().st_mtime < before:
            yield entry


def _old_ids(folder: Path, before: float) -> Iterator[Path]:
    """Yield the folders named by an id that nothing was put into of late."""
    for entry in _entries(folder):
        try:
            UUID(entry.name)
        except ValueError:
            continue
        if entry.is_dir() and not entry.is_symlink() and entry.stat().st_mtime < before:
            yield entry


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, from any place on: rounds that do not get through all see all in the end."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    start = secrets.randbelow(len(names)) if names else 0
    return [folder / name for name in [*names[start:], *names[:start]]]
