"""The database's schema against this program's, and why a database cannot be reached."""

from __future__ import annotations

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def why_unreachable(exc: Exception) -> str:
    """Return in a line why the database cannot be reached: of a pool one only hears that it had no connection."""
    if connection.vendor == "postgresql":
        try:
            connection.Database.connect(**connection.get_connection_params()).close()
        except connection.Database.Error as found:
            exc = found
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def missing_migrations() -> list[str]:
    """Return the names of migrations the database lacks."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def applied_migrations() -> list[str]:
    """Return the names of the migrations the database has."""
    return [f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()]


def known_migrations() -> set[str]:
    """Return the names of the migrations this program has."""
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
