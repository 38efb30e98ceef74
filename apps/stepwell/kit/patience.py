"""How long one query of a person's request may work: the web process sets it, the runner and migrations do not."""

from __future__ import annotations

import functools
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import SQLiteCursorWrapper

SECONDS = 5.0
#: when it is worth while to ask again
RETRY_SECONDS = 10
MESSAGE = f"This took the database longer than {SECONDS:.0f} seconds, so it was stopped."
HINT = f"Ask for less, such as a shorter time or one pipeline. Or try again in {RETRY_SECONDS} seconds."
#: SQLite asks whether to go on after so many of its instructions: about a millisecond
_STEPS = 50_000
#: Postgres's number for a statement that was stopped
_CANCELLED = "57014"


def limit_queries(database: BaseDatabaseWrapper, *, seconds: float = SECONDS) -> None:
    """Let no query of the connections that are opened from now on work longer than ``seconds``."""
    options = database.settings_dict["OPTIONS"]
    if database.vendor == "sqlite":
        # Waiting for another process's transaction is no work, and would not be stopped.
        waits = min(options.get("timeout", seconds), seconds)
        limited = {**options, "factory": functools.partial(_Connection, seconds=seconds), "timeout": waits}
    else:
        # Ours first: what the address of the database says itself wins.
        limit = f"-c statement_timeout={int(seconds * 1000)}"
        limited = {**options, "options": f"{limit} {options.get('options', '')}".strip()}
    database.settings_dict["OPTIONS"] = limited


def took_too_long(error: BaseException | None) -> bool:
    """Return whether a query was stopped because of its time."""
    cause = error.__cause__ if error is not None else None
    return (
        getattr(cause, "sqlstate", None) == _CANCELLED
        or getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    )


class _Connection(sqlite3.Connection):
    """A connection to SQLite that stops what works too long."""

    def __init__(self, *args: Any, seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds = seconds
        self._deadline: float | None = None
        self.set_progress_handler(self._is_late, _STEPS)

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(_Cursor)

    @contextmanager
    def limited(self) -> Iterator[None]:
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        finally:
            self._deadline = None

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline


class _Cursor(SQLiteCursorWrapper):
    """Rows are found while they are fetched: each call has its own time, as each of Postgres's has."""

    connection: _Connection

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        with self.connection.limited():
            return super().execute(*args, **kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        with self.connection.limited():
            return super().executemany(*args, **kwargs)

    def fetchone(self) -> Any:
        with self.connection.limited():
            return super().fetchone()

    def fetchmany(self, *args: Any, **kwargs: Any) -> Any:
        with self.connection.limited():
            return super().fetchmany(*args, **kwargs)

    def fetchall(self) -> Any:
        with self.connection.limited():
            return super().fetchall()

    def __next__(self) -> Any:
        with self.connection.limited():
            return super().__next__()
