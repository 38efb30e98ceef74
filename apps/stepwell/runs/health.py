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
    #: its lease has lapsed: whoever ran it no longer holds it
    LOST = "lost"
    #: no beat for the step's ``heartbeat_healthy_threshold``
    UNHEALTHY = "unhealthy"


def health(beat_at: datetime | None, *, threshold_minutes: float, now: datetime) -> Health:
    """Return the health of a running attempt whose newest beat was at ``beat_at``."""
    if beat_at is None:
        return Health.HEALTHY
    silent = now - beat_at
    if silent > timedelta(minutes=threshold_minutes):
        return Health.UNHEALTHY
    if silent > timedelta(seconds=settings.LEASE_SECONDS):
        return Health.LOST
    return Health.LATE if silent > timedelta(seconds=late_seconds()) else Health.HEALTHY


def late_seconds() -> float:
    """Return how long an attempt may be silent before it counts as late."""
    return min(_LATE_BEATS * settings.HEARTBEAT_SECONDS, settings.LEASE_SECONDS)
