"""How far a running attempt is, as it last said, and when it may be done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus
from stepwell.runs.models import Attempt


@dataclass(frozen=True, slots=True)
class Progress:
    """``total`` is None when the step did not say how much there is to do."""

    done: str
    total: str | None
    message: str
    #: "about 2 m 10 s left", while it runs and can be told
    left: str


def read_progress(attempt: Attempt) -> Progress | None:
    """Return what an attempt said of its progress; None when it said nothing we can show."""
    told = attempt.progress
    if not isinstance(told, dict):
        return None
    done, total = _number(told.get("done")), _number(told.get("total"))
    message = str(told.get("message") or "")[:300]
    if done is None and not message:
        return None
    has_total = total is not None and total > 0 and done is not None
    left = _left(attempt, done, total) if has_total and done is not None and total is not None else ""
    return Progress(f"{done or 0:g}", f"{total:g}" if has_total else None, message, left)


def _left(attempt: Attempt, done: float, total: float) -> str:
    if attempt.status != AttemptStatus.RUNNING or not 0 < done < total:
        return ""
    if attempt.started_at is None or attempt.beat_at is None:
        return ""
    passed = (attempt.beat_at - attempt.started_at).total_seconds()
    return f"about {format_duration(passed * (total - done) / done)} left" if passed > 0 else ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
