"""What a driver knows of the steps and runs it called: waiting for them, their values, why they failed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepwell.errors import RunFailed, StepExecutionException
from stepwell.sdk import errorinfo, loading
from stepwell.sdk.artifactstore import ArtifactStore
from stepwell.sdk.driverline import DriverLine
from stepwell.sdk.futures import MapResultsFuture, PipelineFuture, ReturnedArtifact, StepFuture
from stepwell.sdk.tracing import Trace

#: steps of one ``map`` that go in one frame
BATCH = 250
_DONE = frozenset({"completed", "cached"})
Futures = StepFuture | PipelineFuture


@dataclass
class Awaiting(Trace):
    """A trace whose steps run; ``line`` reaches the supervisor. ``Driver`` adds the calls."""

    line: DriverLine = field(kw_only=True)
    store: ArtifactStore = field(kw_only=True)
    _ordinal: int = 0
    _n_steps: int = 0
    _thread: int = field(default_factory=threading.get_ident)
    _stored: dict[str, dict[str, Any]] = field(default_factory=dict)

    def is_settled(self, thing_id: str) -> bool:
        self.line.wait_until(lambda: False, timeout=0)
        return self.line.is_settled(thing_id)

    def is_done(self, step_id: str) -> bool:
        return self.line.statuses.get(step_id) in _DONE

    def wait_for(self, futures: Sequence[Futures], *, timeout: float | None = None) -> bool:
        """Wait until all have ended; return whether they have."""
        waiting = [future for future in futures if not self.line.is_settled(future.id)]
        if not waiting:
            return True
        names = list(dict.fromkeys(future.invocation_id for future in waiting))
        said = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"
        total, left = len(futures), _Left(waiting, self.line)
        is_shown = False
        while True:
            if self.line.wait_until(left.is_empty, timeout=1.0 if timeout is None else min(1.0, timeout)):
                break
            progress = {"done": total - left.count, "total": total, "message": f"waits for {said}"}
            self.line.send({"t": "beat", "progress": progress})
            is_shown = True
            if timeout is not None and (timeout := timeout - 1.0) <= 0:
                return left.is_empty()
        if is_shown:
            self.line.send({"t": "beat", "progress": {"done": total, "total": total, "message": f"got {said}"}})
        return True

    def stored_outputs(self, future: StepFuture) -> dict[str, Any]:
        """Return output name -> what is stored, of a step that completed."""
        if future.id not in self._stored:
            self._stored.update(self.line.ask("driver.outputs", {"steps": [future.id]}))
        return self._stored[future.id]

    def load_output(self, future: StepFuture, name: str) -> Any:
        self._note_load(f"{future.invocation_id}.{name}")
        return self.load_stored(self.stored_outputs(future)[name])

    def load_all(self, results: MapResultsFuture) -> list[Any]:
        """Return the values of every step of a map that completed."""
        self._note_load(results.invocation_id)
        found: list[Any] = []
        futures = results.futures
        for start in range(0, len(futures), BATCH):
            batch = futures[start : start + BATCH]
            stored = self.line.ask("driver.outputs", {"steps": [future.id for future in batch]})
            for future in batch:
                values = [self.load_stored(stored[future.id][name]) for name in future._outputs]
                found.append(values[0] if len(values) == 1 else tuple(values) or None)
        return found

    def load_stored(self, stored: dict[str, Any]) -> Any:
        return loading.load_stored(stored, store=self.store)

    def failure_of(self, future: StepFuture) -> BaseException:
        """Return what a step that did not complete raised, to be raised again."""
        told = self.line.ask("driver.failure", {"step": future.id})
        original = original_of(told)
        if told["status"] == "failed" and original is not None:
            return original
        detail = told["reason"] if told["status"] != "failed" else f"{told['type']}: {told['message']}".strip(": ")
        failure = StepExecutionException(
            f"Step {future.invocation_id} {'failed' if told['status'] == 'failed' else 'was ' + told['status']}: "
            f"{detail.rstrip('.')}.",
            step=future.invocation_id,
        )
        failure.__cause__ = original
        return failure

    def run_result(self, future: PipelineFuture) -> dict[str, Any]:
        told: dict[str, Any] = self.line.ask("driver.run", {"run": future.id})
        return told

    def returned_by(self, future: PipelineFuture, told: dict[str, Any]) -> Any:
        """Return what a child run returned.

        Raises:
            Exception: What made it fail.
        """
        if told["status"] == "completed":
            return self._read(told["returned"]) if told.get("returned") else None
        future.is_failure_known = True
        failure = told.get("failure") or {}
        original = original_of(failure, f"Raised in run #{future.number} of {future.name}; its page has the traceback.")
        if original is not None:
            raise original
        raise RunFailed(f"Run #{future.number} of {future.name} was {told['status']}: {told['reason']}")

    def _entry(
        self, kind: str, name: str, inputs: Mapping[str, Any], rows: list[list[Any]], **also: Any
    ) -> dict[str, Any]:
        """Return the next entry of the journal."""
        self._ordinal += 1
        dumped = {
            key: one.model_dump(mode="json") if hasattr(one, "model_dump") else one for key, one in inputs.items()
        }
        content = [kind, name, also.get("invocation_id", ""), dumped, [[row[0], row[1], row[3]] for row in rows]]
        entry = {
            "ordinal": self._ordinal,
            "kind": kind,
            "name": name,
            "hash": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
            "count": len(rows),
            "position": self._n_steps,
            **also,
        }
        self._n_steps += len(rows)
        return entry

    def _note_status(self, thing_id: str, status: str) -> None:
        # News of its end may have come before the answer.
        if not self.line.is_settled(thing_id):
            self.line.statuses[thing_id] = status

    def _note_load(self, name: str) -> None:
        if threading.get_ident() == self._thread:
            self.line.note_load(self._entry("load", name, {}, [], label=f"{name}.load()"))

    def _read(self, resolved: dict[str, Any]) -> Any:
        if resolved["kind"] == "stored":
            return ReturnedArtifact(resolved, self)
        if resolved["kind"] in ("list", "tuple"):
            items = [self._read(item) for item in resolved["items"]]
            return items if resolved["kind"] == "list" else tuple(items)
        if resolved["kind"] == "dict":
            return {name: self._read(one) for name, one in resolved["entries"].items()}
        return loading.load_inputs({"it": resolved}, store=self.store, step_name=self.pipeline_name)["it"]


class _Left:
    """Which of some futures have not ended; each is looked at once after its end."""

    def __init__(self, waiting: Iterable[Futures], line: DriverLine) -> None:
        self._waiting = [future.id for future in waiting]
        self._line = line

    @property
    def count(self) -> int:
        self.is_empty()
        return sum(not self._line.is_settled(one) for one in self._waiting)

    def is_empty(self) -> bool:
        while self._waiting and self._line.is_settled(self._waiting[-1]):
            self._waiting.pop()
        return not self._waiting


def original_of(told: Mapping[str, Any], note: str = "") -> BaseException | None:
    """Return the exception that ``driver.failure`` or ``driver.run`` told of; None where it cannot be made again."""
    found = errorinfo.unpickled(told.get("pickled"))
    if found is None:
        return None
    found.add_note(note or f"Raised in step {told['cause']}; its log has the traceback.")
    return found
