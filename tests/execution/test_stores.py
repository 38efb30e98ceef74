"""The scheduler on the database."""

from __future__ import annotations

import pytest

from stepwell.execution.stores import OrmRunStore
from stepwell.runs.models import Run, RunEvent, StepRun
from tests.contracts.run_store import RunStoreContract
from tests.execution.make import make_run

pytestmark = pytest.mark.django_db


class TestOrmRunStore(RunStoreContract):
    def make(self, edges, *, mode="continue_on_failure"):
        self.store = OrmRunStore()
        self.run_id = make_run(edges, mode=mode).id

    def set_step(self, name, status):
        StepRun.objects.filter(run_id=self.run_id, invocation_id=name).update(status=status)
        return StepRun.objects.get(run_id=self.run_id, invocation_id=name).id

    def set_cancelling(self):
        Run.objects.filter(id=self.run_id).update(status="cancelling")

    def add_cleanup(self):
        StepRun.objects.create(run_id=self.run_id, kind="cleanup", invocation_id=":cleanup", name="cleanup")

    def cleanup_status(self):
        return StepRun.objects.get(run_id=self.run_id, kind="cleanup").status

    def end_cleanup(self, status):
        self.advance(self.set_step(":cleanup", status))

    def statuses(self):
        return dict(StepRun.objects.filter(run_id=self.run_id).values_list("invocation_id", "status"))

    def run_status(self):
        return Run.objects.get(id=self.run_id).status

    def test_events_are_gap_free_and_tell_every_move(self):
        self.make({"a": [], "b": ["a"]})
        self.advance()
        self.end("a", "failed")
        story = list(RunEvent.objects.filter(run_id=self.run_id).values_list("seq", "kind", "payload"))
        assert [seq for seq, _, _ in story] == list(range(1, len(story) + 1))
        told = [(kind, payload.get("invocation_id"), payload["status"]) for _, kind, payload in story]
        assert told == [
            ("step.status", "a", "queued"),
            ("step.status", "b", "skipped"),
            ("run.status", None, "failed"),
        ]

    def test_the_work_of_one_end_does_not_grow_with_the_run(self, django_assert_max_num_queries):
        chain = {f"s{index}": [f"s{index - 1}"] if index else [] for index in range(200)}
        self.make(chain)
        self.advance()
        step = self.set_step("s0", "completed")
        with django_assert_max_num_queries(20):
            self.advance(step)
