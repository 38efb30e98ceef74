"""Files going out: piece by piece, and only so many at a time for one person and for all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable
from typing import Any, ClassVar

from django.http import StreamingHttpResponse

from stepwell.errors import StepwellError

RETRY_SECONDS = 5


class TooManyDownloads(StepwellError):
    """Too many files are being sent at this moment."""

    code: ClassVar[str] = "too_many"
    status: ClassVar[int] = 429

    def __init__(self) -> None:
        self.retry_after = RETRY_SECONDS
        super().__init__(hint="Wait until a download has ended, then try again.")


class Seats:
    """Places for what happens at the same time in one process; taken and given back from any thread."""

    def __init__(self, *, for_one: int, in_all: int) -> None:
        self._for_one = for_one
        self._in_all = in_all
        self._taken: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    def take(self, caller: Hashable) -> bool:
        """Take one of a caller's places; False when there is none left."""
        with self._lock:
            if self._taken[caller] >= self._for_one or self._taken.total() >= self._in_all:
                return False
            self._taken[caller] += 1
            return True

    def give_back(self, caller: Hashable) -> None:
        with self._lock:
            self._taken[caller] -= 1
            if self._taken[caller] <= 0:
                del self._taken[caller]


#: a page shows a few dozen pictures, of which browsers load six at a time; hashing and reading are what costs
seats = Seats(for_one=12, in_all=48)


class Download(StreamingHttpResponse):
    """An answer that holds a place until its last byte is gone, or its reader is.

    Raises:
        TooManyDownloads: There is no place left.
    """

    def __init__(self, *args: Any, caller: Hashable, **kwargs: Any) -> None:
        self._caller = caller
        self._is_seated = seats.take(caller)
        if not self._is_seated:
            raise TooManyDownloads
        super().__init__(*args, **kwargs)

    def close(self) -> None:
        super().close()
        self.leave()

    def leave(self) -> None:
        """Give the place back."""
        if self._is_seated:
            self._is_seated = False
            seats.give_back(self._caller)
