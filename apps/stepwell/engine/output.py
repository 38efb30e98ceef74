"""From the pipe behind a step's stdout and stderr into its log: read, masked, stored in batches."""

from __future__ import annotations

import os

from stepwell.engine.logfile import LogWriter
from stepwell.engine.masking import Masker

_READ_BYTES = 256 * 1024
#: read at a time, so that a flood in one attempt does not keep the others of a group waiting
_MAX_READ_BYTES = 2 * 1024 * 1024
_FLUSH_SECONDS = 0.1
_FLUSH_BYTES = 64 * 1024


class Output:
    """The output of one attempt. ``now`` is always monotonic seconds."""

    def __init__(self, log: LogWriter, masker: Masker) -> None:
        self._log = log
        self._masker = masker
        self._descriptor = -1
        self._flushed_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    @property
    def flush_at(self) -> float | None:
        """When what was read is to be stored."""
        return self._flushed_at + _FLUSH_SECONDS if self._log.pending_bytes else None

    @property
    def log_bytes(self) -> int:
        return self._log.n_bytes

    @property
    def log_lines(self) -> int:
        return self._log.n_lines

    def fileno(self) -> int:
        return self._descriptor

    def open(self, descriptor: int) -> None:
        """Take over the reading end of a pipe, which must not block."""
        self._descriptor = descriptor

    def read(self, now: float) -> None:
        """Take what is there, up to a limit; close at the end of it."""
        read = 0
        while self.is_open and read < _MAX_READ_BYTES:
            try:
                chunk = os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                self.close()
                return
            read += len(chunk)
            self._log.write(self._masker.feed(chunk))
            if self._log.pending_bytes >= _FLUSH_BYTES:
                self.flush(now)

    def close(self) -> None:
        """Stop reading. What the masker kept back comes out."""
        if self.is_open:
            os.close(self._descriptor)
            self._descriptor = -1
            self._log.write(self._masker.flush())

    def add(self, words: bytes) -> None:
        """Write what someone else printed; only while nothing is read."""
        self._log.write(self._masker.feed(words) + self._masker.flush())

    def note(self, text: str) -> None:
        """Write a line of our own."""
        self._log.note(self._masker.said(text))

    def flush(self, now: float) -> None:
        if self._log.pending_bytes:
            self._log.flush()
            self._flushed_at = now

    def flush_if_due(self, now: float) -> None:
        if now - self._flushed_at >= _FLUSH_SECONDS or self._log.pending_bytes >= _FLUSH_BYTES:
            self.flush(now)
