"""How an attempt is doing, told from its heartbeats; derived when asked, never stored as a state."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings

#: beats missed before one counts as late
_LATE_BEATS = 3


class Health(StrEnum):
    HEALTHY = "healthy"
    LATE = "late"
    #: no beat for the step's ``heartbeat_healthy_threshold``
    UNHEALTHY = "unhealthy"


def health(beat_at: datetime | None, *, threshold_minutes: float, now: datetime) -> Health:
    """Return the health of a running attempt whose newest beat was at ``beat_at``."""
    if beat_at is None:
        return Health.HEALTHY
    silent = now - beat_at
    if silent > timedelta(minutes=threshold_minutes):
        return Health.UNHEALTHY
    if silent > timedelta(seconds=_LATE_BEATS * settings.HEARTBEAT_SECONDS):
        return Health.LATE
    return Health.HEALTHY
