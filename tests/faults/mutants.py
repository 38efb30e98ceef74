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
    #: further (file, old, new) of the same mistake, where one guard stands behind another
    more: tuple[tuple[str, str, str], ...] = ()

    def apply(self, apps: Path) -> dict[Path, str]:
        """Return the texts of the files below ``apps`` that have the mistake in them.

        Raises:
            StalePatch: What it replaces is not there any more, or stands there more than once.
        """
        texts: dict[Path, str] = {}
        for file, old, new in ((self.file, self.old, self.new), *self.more):
            path = apps / "stepwell" / file
            text = texts.get(path) or path.read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise StalePatch(f"Mutant “{self.name}”: {old!r} stands {text.count(old)} times in {file}.")
            texts[path] = text.replace(old, new)
        return texts


def all_mutants() -> tuple[Mutant, ...]:
    from tests.faults import seeded_elsewhere, seeded_execution

    return (*seeded_execution.MUTANTS, *seeded_elsewhere.MUTANTS)


class StalePatch(Exception):
    """The text a mutant replaces is not in the product any more, or stands there more than once."""


def seed(mutant: Mutant, folder: Path) -> Path:
    """Copy the product into ``folder`` with one mistake in it; return what to put first on the import path.

    Raises:
        StalePatch: The mutant no longer fits.
    """
    copy = folder / "apps"
    # What is beside it in a checkout belongs to the product too.
    for name in ("static", "templates"):
        shutil.copytree(APPS.parent / name, folder / name)
    shutil.copy(APPS.parent / "manage.py", folder)
    shutil.copytree(APPS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in mutant.apply(copy).items():
        path.write_text(text, encoding="utf-8")
    return copy
