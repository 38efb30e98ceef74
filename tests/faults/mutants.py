"""Seeded mistakes: a piece of the product's text and what stands there instead, to see that a scenario notices."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

APPS = Path(__file__).resolve().parents[2] / "apps"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """``old`` stands once in ``file``. ``scenario`` must find a violation with ``new`` in its place, on ``store``."""

    name: str
    file: str
    old: str
    new: str
    scenario: str
    store: str = "sqlite"


MUTANTS = (
    Mutant(
        name="writes without the fence",
        file="execution/claims.py",
        old="filter(id=self.attempt.id, fence=self.fence, status=AttemptStatus.RUNNING)",
        new="filter(id=self.attempt.id)",
        scenario="runner_stopped",
    ),
    Mutant(
        name="claim without looking",
        file="execution/claims.py",
        old="Attempt.objects.filter(id=attempt_id, status=AttemptStatus.QUEUED)",
        new="Attempt.objects.filter(id=attempt_id)",
        scenario="claim_race",
    ),
)


class StalePatch(Exception):
    """The text a mutant replaces is not in the product any more, or stands there more than once."""


def seed(mutant: Mutant, folder: Path) -> Path:
    """Copy the product into ``folder`` with one mistake in it; return what to put first on the import path.

    Raises:
        StalePatch: The mutant no longer fits.
    """
    copy = folder / "apps"
    shutil.copytree(APPS, copy)
    path = copy / "stepwell" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise StalePatch(f"Mutant “{mutant.name}”: its text stands {text.count(mutant.old)} times in {mutant.file}.")
    path.write_text(text.replace(mutant.old, mutant.new))
    return copy
