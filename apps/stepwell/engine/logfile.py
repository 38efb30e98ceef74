"""Writing the log of an attempt: one writer appends bytes, any number of readers follow.

The bytes are numbered from 0 over everything that was written. The first quarter of the cap stays in the file itself;
what follows goes to segment files, of which the oldest are removed. A reader sees a gap there. Index files beside it
say where lines stand and which levels they have.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from stepwell.engine import loglines
from stepwell.engine.logindex import LogIndex
from stepwell.engine.loglines import Layout, LogLine
from stepwell.engine.logreader import LogReader, LogSpan

__all__ = ["DEFAULT_CAP_BYTES", "LogLine", "LogReader", "LogSpan", "LogWriter"]

DEFAULT_CAP_BYTES = 64 * 1024 * 1024
_RECOVER_BYTES = 1024 * 1024


class LogWriter:
    """Appends to a log, continuing one that exists. ``write`` collects, ``flush`` stores. One writer per log.

    A full disk never raises: what could not be stored is counted, and a line says so once there is room again.
    Nothing is created before the first ``flush`` of something.
    """

    def __init__(self, path: Path, *, cap_bytes: int = DEFAULT_CAP_BYTES) -> None:
        self.path = path
        self.pending_bytes = 0
        #: bytes that could not be stored
        self.lost_bytes = 0
        self._pending: list[bytes] = []
        self._unreported_bytes = 0
        self._lost_reason = ""
        self._layout = Layout.for_cap(cap_bytes)
        self._segment = -1
        self._stored_bytes = 0
        self._index = LogIndex(path)
        self._data = -1
        if path.exists():
            self._recover()

    @property
    def n_bytes(self) -> int:
        """Bytes written so far, what was dropped too."""
        return self._stored_bytes + self.pending_bytes

    @property
    def n_lines(self) -> int:
        """Lines stored so far; one that has no end yet counts."""
        return self._index.n_lines

    @property
    def dropped_bytes(self) -> int:
        """Bytes that were stored and removed again to hold the cap."""
        return self._layout.first_segment(self._segment) * self._layout.segment_bytes

    def write(self, chunk: bytes) -> None:
        if chunk:
            self._pending.append(chunk)
            self.pending_bytes += len(chunk)

    def note(self, text: str) -> None:
        """Write a line of our own, marked as such, and start it on a new line."""
        latest = self._pending[-1] if self._pending else self._index.partial
        break_before = "\n" if latest and not latest.endswith(b"\n") else ""
        line = f"{break_before}{loglines.OUR_PREFIX}{' '.join(text.splitlines())}\n"
        self.write(line.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Store what was written."""
        if not self._pending:
            return
        if self._unreported_bytes:
            self._report_loss()
        chunk = b"".join(self._pending)
        self._pending.clear()
        self.pending_bytes = 0
        start = self._stored_bytes
        try:
            self._store(chunk)
        except OSError as error:
            lost = start + len(chunk) - self._stored_bytes
            self.lost_bytes += lost
            self._unreported_bytes += lost
            self._lost_reason = error.strerror or str(error)
            chunk = chunk[: len(chunk) - lost]
        if chunk:
            self._index.add(chunk, start)

    def seal(self) -> None:
        """Store what was written and close the files."""
        self.flush()
        self._index.close()
        if self._data >= 0:
            os.close(self._data)
        self._data = -1

    def _store(self, chunk: bytes) -> None:
        if self._data < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._data = self._open_data()
        view = memoryview(chunk)
        while view:
            room = self._layout.segment_start(self._segment + 1) - self._stored_bytes
            if room <= 0:
                self._start_segment()
                continue
            written = os.write(self._data, view[:room])
            self._stored_bytes += written
            view = view[written:]

    def _start_segment(self) -> None:
        if self._segment < 0:
            loglines.layout_path(self.path).write_bytes(self._layout.pack())
        following = _open_append(loglines.segment_path(self.path, self._segment + 1))
        os.close(self._data)
        self._data = following
        self._segment += 1
        with contextlib.suppress(OSError):
            loglines.segment_path(self.path, self._segment - self._layout.segments).unlink()

    def _open_data(self) -> int:
        return _open_append(self.path if self._segment < 0 else loglines.segment_path(self.path, self._segment))

    def _report_loss(self) -> None:
        count, self._unreported_bytes = self._unreported_bytes, 0
        break_before = "\n" if self._index.partial else ""
        text = f"ERROR {count:,} bytes could not be stored here: {self._lost_reason}"
        line = f"{break_before}{loglines.OUR_PREFIX}{text}\n".encode()
        self._pending.insert(0, line)
        self.pending_bytes += len(line)

    def _recover(self) -> None:
        """Take over where an earlier writer stopped, wherever that was."""
        reader = LogReader(self.path)
        self._stored_bytes = reader.n_bytes
        # Under a smaller cap than before, what stands in the first file stays.
        head_bytes = max(self._layout.head_bytes, self._stored_bytes)
        self._layout = reader.layout() or replace(self._layout, head_bytes=head_bytes)
        if reader.layout() and self._stored_bytes > self._layout.head_bytes:
            self._segment = (self._stored_bytes - self._layout.head_bytes - 1) // self._layout.segment_bytes
        blocks = [block for block in reader.blocks() if block[0] <= self._stored_bytes]
        self._index.resume(len(blocks), reader.marks())
        position = blocks[-1][0] if blocks else 0
        while (span := reader.span(position, _RECOVER_BYTES)).content:
            if span.is_gap:
                self._index.partial = b""
            else:
                self._index.count(span.content, span.start)
            position = span.end


def _open_append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
