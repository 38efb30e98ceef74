"""The topic ``log:<attempt>``: the lines of an attempt's log as they are written, by byte offset."""

from __future__ import annotations

from dataclasses import dataclass

from stepwell.engine.logfile import LogReader
from stepwell.engine.loglines import level_of, line_ends, show
from stepwell.live.feeds import Feed, Subscription
from stepwell.live.wire import Topic, write
from stepwell.runs.ansi import line_html
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt

#: log bytes in one message
CHUNK_BYTES = 64 * 1024
#: messages to one socket in one go
_CHUNKS_AT_ONCE = 8
#: a page further behind than this is moved near the end; it keeps fewer lines than that anyway
MAX_BYTES_BEHIND = 8 * 1024 * 1024
#: what such a page still gets of the end
TAIL_BYTES = 512 * 1024
#: seconds between two messages while a program keeps printing; the first line after a pause goes at once
PRINT_PACE = 0.05


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What follows a cursor: whole lines up to ``to``, and the beginning of the line after them."""

    to: int
    first_line: int
    n_lines: int
    html: str
    partial: str
    #: where that beginning ends
    seen: int


class LogFeed(Feed):
    """Whole lines of one log. The unfinished last line travels beside them, as ``partial``, and moves no cursor."""

    is_stored = False

    def __init__(self, topic: Topic) -> None:
        super().__init__(topic)
        self._reader: LogReader | None = None
        self._size = -1
        self._next_send = 0.0
        #: the number of the line at an offset, for the offsets sockets stand at
        self._numbers: dict[int, int] = {0: 1}

    def pump(self, now: float, *, stored: bool) -> None:
        reader = self._reader or self._open()
        if reader is None:
            self.say_gone()
            return
        size = reader.n_bytes
        if (size != self._size or self.is_behind) and now >= self._next_send:
            self._next_send = now + PRINT_PACE
            self._size = size
            self.is_behind = False
            self._send(reader, size)

    def _open(self) -> LogReader | None:
        run_id = Attempt.objects.filter(id=self.topic.id).values_list("step_run__run_id", flat=True).first()
        if run_id is not None and self.topic.id is not None:
            self._reader = LogReader(log_path(run_id, self.topic.id))
        return self._reader

    def _send(self, reader: LogReader, size: int) -> None:
        for _ in range(_CHUNKS_AT_ONCE):
            groups = self.by_cursor()
            waiting = {at: [one for one in group if one.seen < size or at > size] for at, group in groups.items()}
            for cursor, members in waiting.items():
                if ready := self.with_room(members):
                    self._send_after(reader, cursor, ready, size)
            self._numbers = {at: self._numbers[at] for at in (0, *self.by_cursor()) if at in self._numbers}
            if not any(waiting.values()):
                return
        self.is_behind = True

    def _send_after(self, reader: LogReader, cursor: int, ready: list[Subscription], size: int) -> None:
        if cursor > size or size - cursor > MAX_BYTES_BEHIND:
            at, number = _line_start(reader, max(0, size - TAIL_BYTES))
            self._numbers[at] = number
            self.resync(ready, at, line=number)
            seen = at
        else:
            chunk = self._read(reader, cursor, size)
            self.put(ready, self._message(cursor, chunk), cursor=chunk.to)
            seen = chunk.seen
        for subscription in ready:
            subscription.seen = seen

    def _read(self, reader: LogReader, cursor: int, size: int) -> _Chunk:
        number = self._numbers.get(cursor) or reader.line_at(cursor)
        # Never past the size this round began with: a cursor beyond it would look like one of another log.
        span = reader.span(cursor, min(CHUNK_BYTES, size - cursor))
        if span.is_gap:
            html = line_html(number, "warning", show(span.content.strip()))
            return _Chunk(span.end, number, 1, html, "", span.end)
        ends = line_ends(span.content)
        lines = [span.content[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        html = "".join(line_html(number + index, level_of(line), show(line)) for index, line in enumerate(lines))
        done = ends[-1] if ends else 0
        rest = span.content[done:]
        after = number + len(lines)
        self._numbers[cursor + done] = after
        if span.end < size:
            # A line the chunk's end cut: the next message begins with it.
            return _Chunk(cursor + done, number, len(lines), html, "", cursor + done)
        partial = line_html(after, level_of(rest), show(rest)) if rest else ""
        return _Chunk(cursor + done, number, len(lines), html, partial, span.end)

    def _message(self, cursor: int, chunk: _Chunk) -> str:
        return write(
            "log",
            topic=str(self.topic),
            **{"from": cursor, "to": chunk.to},
            first_line=chunk.first_line,
            lines=chunk.n_lines,
            html=chunk.html,
            partial=chunk.partial,
        )


def _line_start(reader: LogReader, offset: int) -> tuple[int, int]:
    """Return offset and number of the first line that begins at or after ``offset``."""
    number = reader.line_at(offset)
    for line in reader.lines(number, 2):
        if line.offset >= offset:
            return line.offset, line.number
    return offset, number
