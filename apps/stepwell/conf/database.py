"""The database: SQLite in the data folder, or Postgres by ``DATABASE_URL``."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# IMMEDIATE: a transaction that reads first and writes later otherwise fails with "locked" whatever the time-out.
_SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA journal_size_limit=27103364;PRAGMA cache_size=-8000;"
    ),
}

# A server that went away without a word is noticed within ten seconds, and nobody waits for a lock for ever.
_POSTGRES_OPTIONS = {
    "pool": {"min_size": 1, "max_size": 32, "timeout": 5},
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": "-c lock_timeout=3s -c idle_in_transaction_session_timeout=60s",
}


def database_from_url(url: str, *, home: Path) -> dict[str, Any]:
    """Return Django's settings for ``url``; empty means ``<home>/stepwell.db``.

    Raises:
        ImproperlyConfigured: The scheme is not ``sqlite`` or ``postgres``.
    """
    if not url:
        return _sqlite(home / "stepwell.db")
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite(Path(unquote(parts.path)))
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"DATABASE_URL begins with “{parts.scheme}:”. Use postgres://user:password@host/name or sqlite:///path."
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        # A connection from the pool is tried before it is used.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**_POSTGRES_OPTIONS, **dict(parse_qsl(parts.query))},
        "TEST": {},
    }


def _sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": 0,
        "OPTIONS": _SQLITE_OPTIONS,
    }
