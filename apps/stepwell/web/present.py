"""Values as pages print them: states, times, durations, sizes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone

from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus, RunStatus, StepKind, StepStatus
from stepwell.engine.endings import PARKED_REASON
from stepwell.runs.models import Attempt, Run, StepRun

#: statuses whose word is not simply the status with a capital letter
_WORDS = {"timed_out": "Timed out", "cached": "From cache", "retrying": "Waits to retry"}
#: steps that are ours, by what they do
_OWN_STEPS = {":plan": "reading the pipeline", ":cleanup": "cleaning up", ":driver": "running the pipeline"}
#: statuses drawn with another status's symbol
_ICONS = {"interrupted": "lost", "reused": "cached", "warning": "lost", "open": "paused", "answered": "completed"}


def step_label(invocation_id: str) -> str:
    """Return what a step is called on pages."""
    return _OWN_STEPS.get(invocation_id, invocation_id)


@dataclass(frozen=True, slots=True)
class State:
    """A status as shape, word and colour."""

    status: str
    word: str
    icon: str


def state(status: str) -> State:
    """Return how ``status`` looks."""
    word = _WORDS.get(status, status.replace("_", " ").capitalize())
    return State(status, word, _ICONS.get(status, status))


def step_state(step: StepRun, run: Run) -> State:
    """Return how a step looks; the driver of a run that waits for an answer does not wait to try again."""
    return state(run.status if is_parked(step, run) else step.status)


def is_parked(step: StepRun, run: Run) -> bool:
    """Return whether a step is a driver whose process ended until somebody answers."""
    return step.kind == StepKind.DRIVER and step.status == StepStatus.RETRYING and run.status == RunStatus.PAUSED


def attempt_state(attempt: Attempt) -> State:
    """Return how an attempt looks."""
    waits = attempt.status == AttemptStatus.INTERRUPTED and attempt.status_reason == PARKED_REASON
    return state(RunStatus.PAUSED if waits else attempt.status)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: machine form, full form in the active zone, and relative to now."""

    iso: str
    exact: str
    relative: str
    #: ``02:05`` until then; empty once it is past
    left: str = ""
    utc: str = ""

    @property
    def title(self) -> str:
        """All three forms: in the person's zone, in UTC where that differs, and how long ago."""
        return " · ".join(dict.fromkeys([self.exact, self.utc, self.relative]))


def moment(at: datetime | None, *, now: datetime | None = None) -> Moment | None:
    """Return ``at`` as pages print it; None stays None."""
    if at is None:
        return None
    now = now or timezone.now()
    local = timezone.localtime(at)
    return Moment(
        at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        relative((now - at).total_seconds()),
        _clock((at - now).total_seconds()),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
    )


def _clock(seconds: float) -> str:
    if seconds <= 0:
        return ""
    hours, rest = divmod(math.ceil(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


def relative(seconds: float) -> str:
    """Return an age as words: ``just now``, ``12 s ago``, ``3 m ago``, ``in 2 h``."""
    size = abs(seconds)
    if size < 2:
        return "just now"
    if size < 60:
        text = f"{size:.0f} s"
    elif size < 3600:
        text = f"{size // 60:.0f} m"
    elif size < 2 * 86400:
        text = f"{size // 3600:.0f} h"
    else:
        text = f"{size // 86400:.0f} d"
    return f"in {text}" if seconds < 0 else f"{text} ago"


@dataclass(frozen=True, slots=True)
class Span:
    """A duration; ``since`` is set while it still grows."""

    text: str
    seconds: float
    since: str = ""


def span(start: datetime | None, end: datetime | None, *, now: datetime | None = None) -> Span | None:
    """Return the time from ``start`` to ``end``, or to now; None before the start."""
    if start is None:
        return None
    if end is not None:
        seconds = (end - start).total_seconds()
        return Span(format_duration(seconds), seconds)
    seconds = ((now or timezone.now()) - start).total_seconds()
    since = start.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Span(format_duration(seconds), seconds, since)


def size(n_bytes: int) -> str:
    """Return a byte count with a unit: ``812 B``, ``4.1 KiB``, ``2.0 GiB``."""
    if n_bytes < 1024:
        return f"{n_bytes} B"
    amount = float(n_bytes)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} TiB"


def count(n: int, noun: str, plural: str = "") -> str:
    """Return ``1 step``, ``2 steps``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def value(anything: Any, *, limit: int = 2000) -> str:
    """Return plain JSON as text people read: text as it is, the rest as JSON, cut at ``limit`` characters."""
    text = anything if isinstance(anything, str) else json.dumps(anything, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def query(**values: Any) -> str:
    """Return ``?name=value`` for the values that are set; "" when none is."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""
