"""Databases and clocks that fail on request: what the fail-points ``commit`` and ``clock`` do."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils import timezone

from stepwell.core import failpoints

_WRITES = ("INSERT", "UPDATE", "DELETE")


def arm() -> None:
    """Let commits and clocks fail as STEPWELL_FAILPOINT says; do nothing without it."""
    failpoints.database_error = OperationalError
    if failpoints.is_armed("commit"):
        BaseDatabaseWrapper._commit = _failing(BaseDatabaseWrapper._commit)  # type: ignore[method-assign]
        connection_created.connect(_watch, dispatch_uid="stepwell.kit.failing.commit")
    if failpoints.is_armed("clock"):
        shift_clock(Path(failpoints.value("clock", "")))


def shift_clock(file: Path) -> None:
    """Let this process and its SQLite be off by as many seconds as ``file`` says when it is asked."""
    true_time, true_now = time.time, timezone.now

    def julian(*_: object) -> float:
        return (true_time() + float(file.read_text())) / 86400 + 2440587.5

    def shift(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection.vendor == "sqlite":
            connection.connection.create_function("julianday", -1, julian)

    time.time = lambda: true_time() + float(file.read_text())
    timezone.now = lambda: true_now() + timedelta(seconds=float(file.read_text()))
    connection_created.connect(shift, weak=False, dispatch_uid="stepwell.kit.failing.clock")


def _failing(commit: Any) -> Any:
    def failing(self: BaseDatabaseWrapper) -> None:
        _fail(self, lambda: commit(self))

    return failing


def _watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    def single(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if connection.in_atomic_block or not sql.startswith(_WRITES):
            return execute(sql, params, many, context)
        return _fail(connection, lambda: execute(sql, params, many, context))

    # The signal comes again when a connection is opened anew.
    if not any(wrapper.__qualname__ == single.__qualname__ for wrapper in connection.execute_wrappers):
        connection.execute_wrappers.append(single)


def _fail(connection: BaseDatabaseWrapper, work: Any) -> Any:
    if not failpoints.fires("commit"):
        return work()
    if failpoints.is_armed("commit") == "execute_then_raise":
        work()
    _cut(connection)
    raise OperationalError("The connection was cut by a fail-point.")


def _cut(connection: BaseDatabaseWrapper) -> None:
    """Leave the connection as a server that went away leaves it."""
    connection.errors_occurred = True
    if connection.vendor != "sqlite":
        try:
            connection.connection.close()
        except (DatabaseError, InterfaceError):
            return
