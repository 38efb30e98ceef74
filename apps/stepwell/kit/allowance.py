"""How much one caller may ask for: so much at once, then so much a second."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable


class Allowance:
    """A bucket that holds ``burst`` and fills again with ``rate`` a second."""

    def __init__(self, *, burst: float, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._left = burst
        self._at = time.monotonic()

    def spend(self) -> bool:
        """Take one; False when none is left, and then nothing is taken."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    @property
    def seconds_to_next(self) -> float:
        """How long until one can be taken."""
        return max(0.0, (1 - self._left) / self._rate)


class Allowances:
    """An allowance for each caller; those not heard of for longest are forgotten beyond ``most``."""

    def __init__(self, *, burst: float, rate: float, most: int = 10_000) -> None:
        self._burst = burst
        self._rate = rate
        self._most = most
        self._known: OrderedDict[Hashable, Allowance] = OrderedDict()
        self._lock = threading.Lock()

    def spend(self, caller: Hashable) -> float:
        """Take one from a caller's; return 0, or the seconds until the next can be taken."""
        with self._lock:
            found = self._known.pop(caller, None) or Allowance(burst=self._burst, rate=self._rate)
            self._known[caller] = found
            if len(self._known) > self._most:
                self._known.popitem(last=False)
            return 0.0 if found.spend() else found.seconds_to_next
