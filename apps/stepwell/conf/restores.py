"""Putting a backup back: into an empty data folder, checked before anything is replaced."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from django.db import Error, connection

from stepwell.conf import backups, paths
from stepwell.conf.backups import BackupError, Manifest
from stepwell.execution import nodes
from stepwell.kit.schema import known_migrations
from stepwell.runs.models import RunnerNode

#: what a data folder may hold and still count as empty: a first start of any command leaves it
_MADE_BY_ANY_COMMAND = {"session.key", "backup.lock", "migrate.lock"}


def restore(source: Path, *, replaces: bool) -> tuple[Manifest, Path | None]:
    """Put a backup into the data folder; return what was in it, and where what was there before is now, if anything.

    Raises:
        BackupError: The backup is damaged or newer than this program, or the folder is in use or not empty.
    """
    home = paths.home()
    here = sorted(name for name in os.listdir(home) if name not in _MADE_BY_ANY_COMMAND and not name.startswith("."))
    if here and not replaces:
        raise BackupError(
            f"{home} is not empty.", hint="Give another STEPWELL_HOME, or --replace, which moves what is there aside."
        )
    _check_unused(home)
    with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as scratch:
        manifest = backups.extract(source, Path(scratch))
        _check_migrations(manifest)
        _check_engine(manifest)
        if manifest.database == backups.SQLITE:
            _check_sqlite(Path(scratch) / backups.SQLITE)
        if manifest.database == backups.POSTGRES:
            _restore_postgres(Path(scratch) / backups.POSTGRES, replaces=replaces)
        aside = _move_aside(home) if here else None
        _move_in(Path(scratch), home)
    return manifest, aside


def _check_unused(home: Path) -> None:
    if (home / "address").exists():
        raise BackupError(
            f"An instance works with {home}.",
            hint=f"Stop it first. If none runs, remove the file {home / 'address'}.",
        )
    node = _node_at_work()
    if node is not None:
        raise BackupError(
            f"A {node.kind} works with it: process {node.pid} on {node.host}.",
            hint="Stop it first. One on another machine that was killed counts as gone after a minute.",
        )


def _node_at_work() -> RunnerNode | None:
    """Return a runner that is a service of its own, which leaves no address, or a script."""
    is_file = connection.vendor == "sqlite"
    if is_file and not Path(connection.settings_dict["NAME"]).exists():
        return None
    try:
        return nodes.first_at_work()
    except Error:
        # There is no such table, or no database: nothing of ours works with it.
        return None
    finally:
        # The file is about to be moved.
        connection.close()


def _check_migrations(manifest: Manifest) -> None:
    if unknown := sorted(set(manifest.migrations) - known_migrations()):
        raise BackupError(
            f"The backup was made by version {manifest.version}, which is newer: this one does not know {unknown[0]}.",
            hint="Upgrade this one first.",
        )


def _check_engine(manifest: Manifest) -> None:
    engine = "sqlite" if manifest.database == backups.SQLITE else "postgresql"
    if connection.vendor != engine:
        names = {"sqlite": "an SQLite file", "postgresql": "a PostgreSQL database"}
        raise BackupError(
            f"The backup holds {names[engine]}, and DATABASE_URL names {names[connection.vendor]}.",
            hint="Set DATABASE_URL to the same kind." if engine == "postgresql" else "Unset DATABASE_URL.",
        )


def _check_sqlite(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as database:
            said = database.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.DatabaseError as exc:
        said = str(exc)
    if said != "ok":
        raise BackupError(f"The database in the backup is damaged: {said}.", hint="Use another backup.")


def _move_aside(home: Path) -> Path:
    aside = home / f".replaced-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    aside.mkdir(mode=0o700)
    for entry in os.listdir(home):
        if not entry.startswith(".") and not entry.endswith(".lock"):
            os.rename(home / entry, aside / entry)
    return aside


def _move_in(scratch: Path, home: Path) -> None:
    files = scratch / backups.FILES
    for entry in os.listdir(files) if files.is_dir() else ():
        target = home / entry
        if target.is_file():
            target.unlink()
        os.rename(files / entry, target)
    if (scratch / backups.SQLITE).exists():
        database = Path(connection.settings_dict["NAME"])
        database.parent.mkdir(parents=True, exist_ok=True)
        for name in (f"{database.name}-wal", f"{database.name}-shm"):
            # Pages of a database that is no longer there must not be read into this one.
            database.with_name(name).unlink(missing_ok=True)
        shutil.move(scratch / backups.SQLITE, database)


def _restore_postgres(dump: Path, *, replaces: bool) -> None:
    if connection.introspection.table_names() and not replaces:
        raise BackupError(
            "The database that DATABASE_URL names is not empty.", hint="Name an empty one, or give --replace."
        )
    connection.close()
    clean = ["--clean", "--if-exists"] if replaces else []
    name = str(connection.settings_dict["NAME"])
    backups.run_postgres(
        "pg_restore", *clean, "--no-owner", "--single-transaction", "--exit-on-error", f"--dbname={name}", str(dump)
    )
