"""The scheduler on the in-memory store."""

from __future__ import annotations

from uuid import uuid4

from stepwell.core.status import ExecutionMode, RunStatus, StepStatus
from stepwell.engine.memory import MemoryRunStore, MemoryStep
from tests.contracts.run_store import RunStoreContract


class TestMemoryRunStore(RunStoreContract):
    def make(self, edges, *, mode=ExecutionMode.CONTINUE_ON_FAILURE):
        ids = {name: uuid4() for name in edges}
        self.run_id = uuid4()
        steps = {
            ids[name]: MemoryStep(id=ids[name], invocation_id=name, upstream=[ids[above] for above in upstream])
            for name, upstream in edges.items()
        }
        self.store = MemoryRunStore(run_id=self.run_id, steps=steps, mode=mode)

    def _step(self, name):
        return next(step for step in self.store.steps.values() if step.invocation_id == name)

    def set_step(self, name, status):
        self._step(name).status = StepStatus(status)
        return self._step(name).id

    def set_cancelling(self):
        self.store.status = RunStatus.CANCELLING

    def add_cleanup(self):
        self.store.cleanup = StepStatus.PENDING

    def cleanup_status(self):
        return str(self.store.cleanup)

    def end_cleanup(self, status):
        self.store.cleanup = StepStatus(status)
        self.advance(uuid4())

    def statuses(self):
        return {step.invocation_id: str(step.status) for step in self.store.steps.values()}

    def run_status(self):
        return str(self.store.status)

    def test_a_cached_step_lets_the_next_one_start(self):
        self.make({"a": [], "b": ["a"]})
        self._step("a").cached_from = uuid4()
        self.advance()
        assert self.statuses() == {"a": "cached", "b": "queued"}
