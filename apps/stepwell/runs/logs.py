"""Where the log of an attempt is."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from django.conf import settings


def log_path(run_id: UUID, attempt_id: UUID) -> Path:
    """Return the log file of an attempt; it exists once the attempt wrote something."""
    return Path(settings.HOME) / "logs" / str(run_id) / f"{attempt_id}.log"
