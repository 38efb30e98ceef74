"""Several logs as one, by the time their lines were stored: a window forwards or backwards from any line."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stepwell.engine.loglines import LogLine
from stepwell.engine.logreader import LogReader
from stepwell.engine.logsearch import LogQuery, find

_CHUNK_LINES = 100


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a line stands in the whole: when it was stored, in which log (an index), and its number there."""

    at: float
    log: int
    number: int


@dataclass(frozen=True, slots=True)
class MergedLine:
    log: int
    line: LogLine

    @property
    def place(self) -> Place:
        return Place(self.line.at or 0.0, self.log, self.line.number)


class MergedLogs:
    """The logs at ``paths``; those that do not exist are empty. A log is opened once a window reaches into its time.

    With a ``query`` only lines that match are there; where the monotonic clock goes past ``until``, ``is_complete``
    says that lines may be missing.
    """

    def __init__(self, paths: Sequence[Path], *, query: LogQuery | None = None, until: float = float("inf")) -> None:
        self.is_complete = True
        self._query = query
        self._until = until
        self._readers = [LogReader(path) for path in paths]
        self._spans = [reader.times_span() for reader in self._readers]

    def after(self, place: Place | None, count: int) -> list[MergedLine]:
        """Return up to ``count`` lines from ``place`` on; None is the beginning."""
        return list(islice(_merged(self._forward(place)), count))

    def before(self, place: Place | None, count: int) -> list[MergedLine]:
        """Return up to ``count`` lines before ``place``, in order; None is behind the end."""
        found = list(islice(_merged(self._backward(place)), count))
        return found[::-1]

    def _forward(self, place: Place | None) -> list[tuple[tuple[float, int, int], Iterator[MergedLine]]]:
        streams = []
        for log, span in enumerate(self._spans):
            if span is None or (place and span[1] < place.at):
                continue
            lower = max(span[0], place.at) if place else span[0]
            lines = self._found(log, place) if self._query else self._lines_from(log, place)
            streams.append(((lower, log, 0), lines))
        return streams

    def _backward(self, place: Place | None) -> list[tuple[tuple[float, int, int], Iterator[MergedLine]]]:
        streams = []
        for log, span in enumerate(self._spans):
            if span is None or (place and span[0] > place.at):
                continue
            upper = min(span[1], place.at) if place else span[1]
            streams.append(((-upper, -log, -(2**62)), self._lines_before(log, place)))
        return streams

    def _lines_from(self, log: int, place: Place | None) -> Iterator[MergedLine]:
        reader = self._readers[log]
        number = reader.line_at_time(place.at) if place else 1
        while found := reader.lines(number, _CHUNK_LINES):
            for line in found:
                merged = MergedLine(log, line)
                if line.number >= number and (place is None or merged.place >= place):
                    yield merged
            number = max(number, found[-1].number) + 1

    def _found(self, log: int, place: Place | None) -> Iterator[MergedLine]:
        reader = self._readers[log]
        first = reader.line_at_time(place.at) if place else 1
        try:
            for piece, indexes in find(reader, self._query or LogQuery(), first=first, until=self._until):
                begin, wanted = piece.number + indexes[0], {piece.number + index for index in indexes}
                for line in reader.lines(begin, indexes[-1] - indexes[0] + 1):
                    merged = MergedLine(log, line)
                    if line.number in wanted and (place is None or merged.place >= place):
                        yield merged
        except TimeoutError:
            self.is_complete = False

    def _lines_before(self, log: int, place: Place | None) -> Iterator[MergedLine]:
        reader = self._readers[log]
        # Lines of one write have one time: behind the last of them is the first line that is later.
        end = reader.line_at_time(place.at, is_after=True) if place else reader.n_lines + 1
        while end > 1:
            begin = max(1, end - _CHUNK_LINES)
            for line in reversed(reader.lines(begin, end - begin)):
                merged = MergedLine(log, line)
                if line.number < end and (place is None or merged.place < place):
                    yield merged
            end = begin


def _merged(streams: list[tuple[tuple[float, int, int], Iterator[MergedLine]]]) -> Iterator[MergedLine]:
    """Merge streams that are sorted; a stream is first asked when its bound is the least of all that is known."""
    sign = -1 if streams and streams[0][0][2] < 0 else 1
    heap: list[tuple[tuple[float, int, int], int, MergedLine | None, Iterator[MergedLine]]] = [
        (bound, index, None, stream) for index, (bound, stream) in enumerate(streams)
    ]
    heapq.heapify(heap)
    while heap:
        bound, index, line, stream = heapq.heappop(heap)
        if line is not None:
            yield line
        following = next(stream, None)
        if following is not None:
            place = following.place
            # A clock that was set back does not move a line before the one it follows in its log.
            key = max(bound, (sign * place.at, sign * place.log, sign * place.number))
            heapq.heappush(heap, (key, index, following, stream))
