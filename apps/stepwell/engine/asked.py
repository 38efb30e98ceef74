"""What other threads ask of a supervision."""

from __future__ import annotations

import os
import threading


class Asked:
    """The latest request. Its descriptor is readable while there is one. Safe to use from several threads."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._answer = ""
        self._is_closed = False

    def fileno(self) -> int:
        return self._wake

    def put(self, answer: str) -> None:
        with self._lock:
            if not self._is_closed:
                self._answer = answer
                os.eventfd_write(self._wake, 1)

    def take(self) -> str:
        """Return the request, once, or nothing."""
        if not self._answer:
            return ""
        with self._lock:
            answer, self._answer = self._answer, ""
            os.eventfd_read(self._wake)
        return answer

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            os.close(self._wake)
