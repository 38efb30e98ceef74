"""Loggers whose lines are in the step's log without any setting up."""

from __future__ import annotations

import logging
import sys


class _StepHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error as it is now: a step's process has another one than the script."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    @property
    def stream(self) -> object:
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        # Once the user's code has set logging up, its handlers write the line.
        if not logging.getLogger().handlers:
            super().emit(record)


def get_logger(name: str) -> logging.Logger:
    """Return a logger that prints from INFO on, unless the program sets logging up itself.

    Example:
        >>> logger = get_logger(__name__)
        >>> logger.info("loaded %d rows", 10)
    """
    found = logging.getLogger(name)
    if not any(isinstance(handler, _StepHandler) for handler in found.handlers):
        found.addHandler(_StepHandler())
    if found.level == logging.NOTSET:
        found.setLevel(logging.INFO)
    return found
