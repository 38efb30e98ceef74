"""How the hub notices that another process stored something, without asking for the rows."""

from __future__ import annotations

from django.db import connection

#: seconds between looks where the database cannot say cheaply that it changed
POLL_SECONDS = 0.1
#: seconds after which rows are read even though nothing seemed to have changed
SAFETY_SECONDS = 2.0


class News:
    """Says whether the database may have changed since the last time; for one thread, on its own connection."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._looked_at = float("-inf")

    def has_changed(self, now: float) -> bool:
        """Return whether to read again; ``now`` is a monotonic clock in seconds."""
        if connection.vendor == "sqlite":
            version = self._data_version()
            changed = version != self._version or now - self._looked_at >= SAFETY_SECONDS
            self._version = version
        else:
            changed = now - self._looked_at >= POLL_SECONDS
        if changed:
            self._looked_at = now
        return changed

    def _data_version(self) -> int:
        connection.ensure_connection()
        # The bare connection: this runs fifty times a second, and Django's cursor costs ten times the statement.
        row = connection.connection.execute("PRAGMA data_version").fetchone()
        return int(row[0])
