"""A driver's line to its supervisor: answers to what it asks, and news of the steps it called, in any order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from stepwell import errors
from stepwell.sdk.calls import TwoWay, raise_told

_FINAL = frozenset({"completed", "cached", "failed", "cancelled", "skipped", "timed_out"})
#: the store may be away for this long before a call gives up
_PATIENCE_SECONDS = 60.0


class DriverLine:
    """Asks, and keeps what is told: ``statuses`` by id of a step or run, ``answered`` with ids of waits.

    Threads may share it: of those that wait one reads, and wakes the others.
    """

    def __init__(self, channel: TwoWay) -> None:
        self.pid = os.getpid()
        self.statuses: dict[str, str] = {}
        self.answered: set[str] = set()
        self._channel = channel
        self._condition = threading.Condition()
        self._is_read = False
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._loads: list[dict[str, Any]] = []
        self._published: dict[str, Any] | None = None

    def ask(self, operation: str, arguments: dict[str, Any]) -> Any:
        """Do an operation and return its answer; where the store is away, try again for a minute.

        Raises:
            StepwellError: What the operation says went wrong.
            Unavailable: The supervisor is gone, or the store stays away.
        """
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._ask(operation, arguments)
            except errors.Unavailable:
                # A call is found in the journal when it was stored and only its answer got lost.
                if not operation.startswith("driver.") or self._channel.closed or time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def note_load(self, entry: dict[str, Any]) -> None:
        """Write a load into the journal with the next call, or when there are many."""
        self._loads.append(entry)
        if len(self._loads) >= 200:
            self.flush()

    def flush(self) -> None:
        """Send what is kept for the journal."""
        if self._loads:
            entries, self._loads = self._loads, []
            self._channel.send({"t": "loads", "entries": entries})

    def wait_published(self) -> dict[str, Any] | None:
        """Return what became of the result of this process, once it is stored; None when the supervisor is gone."""
        try:
            self.wait_until(lambda: self._published is not None)
        except errors.Unavailable:
            return None
        return self._published

    def send(self, frame: dict[str, Any]) -> None:
        self._channel.send(frame)

    def is_settled(self, thing_id: str) -> bool:
        """Return whether a step or run has ended."""
        return self.statuses.get(thing_id) in _FINAL

    def wait_until(self, is_so: Callable[[], bool], timeout: float | None = None) -> bool:
        """Take in what is told until ``is_so`` or until ``timeout`` seconds have passed; return which.

        Raises:
            Unavailable: The supervisor is gone.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            while not is_so():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                if self._is_read:
                    self._condition.wait(left)
                else:
                    self._read(left)
            return True

    def refuse(self, told: dict[str, Any]) -> None:
        """Hear that what was only sent does not fit the journal.

        Raises:
            StepwellError: What it says.
        """
        raise_told(told)

    def _ask(self, operation: str, arguments: dict[str, Any]) -> Any:
        if os.getpid() != self.pid:
            raise RuntimeError("Only the pipeline's own process can ask Stepwell, not one it started.")
        with self._condition:
            self.flush()
            self._number += 1
            number = self._number
            self._channel.send({"t": "call", "id": number, "op": operation, "arguments": arguments})
        self.wait_until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise_told(answer["error"])
        return answer.get("result")

    def _read(self, timeout: float | None) -> None:
        self._is_read = True
        self._condition.release()
        frame = None
        try:
            frame = self._channel.receive(timeout)
        finally:
            self._condition.acquire()
            self._is_read = False
            if frame is not None:
                self._take(frame)
            self._condition.notify_all()
        if frame is None and self._channel.closed:
            raise errors.Unavailable("The line to Stepwell is closed.", hint="The pipeline is being stopped.")

    def _take(self, frame: dict[str, Any]) -> None:
        match frame.get("t"):
            case "published":
                self._published = frame
            case "refused":
                self.refuse(frame["error"])
            case "answer":
                self._answers[frame["id"]] = frame
            case "news":
                self.statuses.update(dict(map(tuple, frame["steps"])))
                self.statuses.update(dict(map(tuple, frame["runs"])))
                self.answered.update(frame["waits"])
