"""Our own log lines: one line each, whatever the values hold."""

from __future__ import annotations

import logging


class WithoutTraceback(logging.Filter):
    """For what everybody on the network can cause as often as they like: a line each time, not twenty."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None
        return True


class LineFormatter(logging.Formatter):
    """``2026-11-23T04:10:00 INFO stepwell.execution: message``; control characters are escaped."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = super().formatMessage(record)
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
