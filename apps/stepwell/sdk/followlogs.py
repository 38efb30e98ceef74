"""The lines of a run's steps, as they are printed, until the run has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepwell.sdk.client_local import Transport
    from stepwell.sdk.responses import PipelineRun

_PART = 256 * 1024
#: seconds that hooks and the sealing of the logs may take after the run has ended
_PATIENCE = 15.0


class _Tail:
    """How far one attempt's log was read."""

    def __init__(self) -> None:
        self.offset = 0
        self.is_complete = False
        self._rest = ""

    def read(self, transport: Transport, **place: Any) -> Iterator[str]:
        while not self.is_complete:
            part = transport.ask("log.read", **place, offset=self.offset, limit=_PART)
            moved, self.offset = part["to"] > self.offset, part["to"]
            *lines, self._rest = (self._rest + part["text"]).split("\n")
            yield from lines
            self.is_complete = part["sealed"] and self.offset >= part["size"]
            if not moved:
                return

    def finish(self) -> Iterator[str]:
        """Give a line that has no end."""
        if self._rest:
            yield self._rest
            self._rest = ""


def follow_logs(run: PipelineRun, transport: Transport, *, follow: bool, poll: float) -> Iterator[str]:
    """Yield every line of every attempt as ``step | line``; with ``follow`` until the run has ended."""
    tails: dict[tuple[str, int], _Tail] = {}
    ended_at: float | None = None
    while True:
        # Looked at before the logs are: what was printed before the end is then read after it.
        if ended_at is None and (not follow or run.refresh().is_finished):
            ended_at = time.monotonic()
        yield from _read_all(str(run.id), transport, tails)
        if ended_at is not None and (not follow or _is_over(tails, ended_at)):
            break
        time.sleep(poll)
    for (step, _), tail in tails.items():
        yield from (f"{step} | {line}" for line in tail.finish())


def _is_over(tails: dict[tuple[str, int], _Tail], ended_at: float) -> bool:
    return all(tail.is_complete for tail in tails.values()) or time.monotonic() - ended_at > _PATIENCE


def _read_all(run: str, transport: Transport, tails: dict[tuple[str, int], _Tail]) -> Iterator[str]:
    for step in transport.ask("step.list", run=run)["items"]:
        if step["kind"] != "step":
            continue
        name = step["invocation_id"]
        for attempt in step["attempts"]:
            tail = tails.setdefault((name, attempt["number"]), _Tail())
            for line in tail.read(transport, run=run, step=name, number=attempt["number"]):
                yield f"{name} | {line}"
