"""From times to places on a bar, in percent; stretches in which nothing ran can be drawn short."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from stepwell.core.durations import format_duration

#: a pause is drawn short when it is longer than both: seconds, and this part of the whole
_SHORTEST_PAUSE = 5.0
_PART = 0.08
#: what a short pause takes, as a part of what is left
_PAUSE_WIDTH = 0.02
_TICKS = 6
_NICE = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch that is drawn short, ``x`` in percent."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    text: str


class TimeScale:
    """The stretch from ``start`` to ``end``, without the pauses between ``busy`` when these are given."""

    def __init__(self, start: datetime, end: datetime, *, busy: Iterable[tuple[datetime, datetime]] = ()) -> None:
        self.start = start
        self.seconds = max((end - start).total_seconds(), 0.001)
        self._gaps = _gaps(self.seconds, self._relative(busy), has_any=bool(busy))
        left = self.seconds - sum(until - begin for begin, until in self._gaps)
        self._gap_width = _PAUSE_WIDTH * left
        self._whole = left + self._gap_width * len(self._gaps)

    def percent(self, at: datetime) -> float:
        return self._place((at - self.start).total_seconds())

    @property
    def pauses(self) -> list[Pause]:
        return [Pause(self._place((begin + until) / 2), format_duration(until - begin)) for begin, until in self._gaps]

    @property
    def ticks(self) -> list[Tick]:
        """Return some round times after the start; none within a pause, or where it would stand on another."""
        step = next((nice for nice in _NICE if self._whole / nice <= _TICKS), 86400 * (1 + self._whole // 600_000))
        found: list[Tick] = []
        at = 0.0
        while at <= self.seconds and len(found) < 200:
            x = self._place(at)
            is_free = all(abs(x - pause.x) > 100 / (_TICKS + 2) or at == 0 for pause in self.pauses)
            if is_free and (not found or x - found[-1].x > 100 / (_TICKS + 4)):
                found.append(Tick(x, _clock(at)))
            # A long pause must not be walked through second by second.
            past = next((until for begin, until in self._gaps if begin <= at < until), None)
            at = at + step if past is None else step * (past // step + 1)
        return found

    def _place(self, seconds: float) -> float:
        x = min(self.seconds, max(0.0, seconds))
        for begin, until in reversed(self._gaps):
            if seconds >= until:
                x -= until - begin - self._gap_width
            elif seconds > begin:
                x -= (seconds - begin) * (1 - self._gap_width / (until - begin))
        return 100 * x / self._whole

    def _relative(self, busy: Iterable[tuple[datetime, datetime]]) -> list[tuple[float, float]]:
        start = self.start
        return sorted(((begin - start).total_seconds(), (until - start).total_seconds()) for begin, until in busy)


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _gaps(seconds: float, busy: list[tuple[float, float]], *, has_any: bool) -> list[tuple[float, float]]:
    found, reached = [], 0.0
    for begin, until in [*busy, (seconds, seconds)] if has_any else ():
        if begin - reached > max(_SHORTEST_PAUSE, _PART * seconds):
            found.append((reached, begin))
        reached = max(reached, until)
    return found
