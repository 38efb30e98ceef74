"""What ``engine.advance`` does on any run store: one behaviour, run for memory and for the database."""

from __future__ import annotations

from uuid import UUID

from stepwell.core.status import ExecutionMode
from stepwell.engine.advance import advance


class RunStoreContract:
    """Subclasses make a run of named steps and read and set their statuses."""

    def make(self, edges: dict[str, list[str]], *, mode: str = ExecutionMode.CONTINUE_ON_FAILURE) -> None:
        raise NotImplementedError

    def set_step(self, name: str, status: str) -> UUID:
        raise NotImplementedError

    def set_cancelling(self) -> None:
        raise NotImplementedError

    def add_cleanup(self) -> None:
        raise NotImplementedError

    def cleanup_status(self) -> str:
        raise NotImplementedError

    def end_cleanup(self, status: str) -> None:
        raise NotImplementedError

    def statuses(self) -> dict[str, str]:
        raise NotImplementedError

    def run_status(self) -> str:
        raise NotImplementedError

    def advance(self, ended: UUID | None = None) -> None:
        advance(self.store, self.run_id, ended=ended)

    def end(self, name: str, status: str = "completed") -> None:
        self.advance(self.set_step(name, status))

    def test_steps_without_upstream_start_at_once_and_the_others_wait(self):
        self.make({"load": [], "clean": ["load"], "other": []})
        self.advance()
        assert self.statuses() == {"load": "queued", "clean": "pending", "other": "queued"}

    def test_a_step_starts_when_its_last_upstream_is_done(self):
        self.make({"a": [], "b": [], "sum": ["a", "b"]})
        self.advance()
        self.end("a")
        assert self.statuses()["sum"] == "pending"
        self.end("b")
        assert self.statuses()["sum"] == "queued"

    def test_a_failure_skips_everything_below_and_nothing_beside(self):
        self.make({"a": [], "b": ["a"], "c": ["b"], "other": [], "more": ["other"]})
        self.advance()
        self.end("a", "failed")
        assert self.statuses() == {"a": "failed", "b": "skipped", "c": "skipped", "other": "queued", "more": "pending"}
        assert self.run_status() == "running"

    def test_a_run_fails_once_nothing_is_left_to_do(self):
        self.make({"a": [], "b": ["a"], "other": []})
        self.advance()
        self.end("a", "failed")
        self.end("other")
        assert self.run_status() == "failed"

    def test_a_run_completes_with_its_last_step(self):
        self.make({"a": [], "b": ["a"]})
        self.advance()
        self.end("a")
        self.end("b")
        assert self.run_status() == "completed"

    def test_stop_on_failure_skips_what_has_not_started(self):
        self.make({"a": [], "other": [], "more": ["other"]}, mode=ExecutionMode.STOP_ON_FAILURE)
        self.advance()
        self.end("a", "failed")
        assert self.statuses()["more"] == "skipped"
        assert self.statuses()["other"] == "queued"

    def test_cancelling_cancels_what_waits_and_lets_what_runs_end(self):
        self.make({"a": [], "b": ["a"], "other": []})
        self.advance()
        self.set_step("a", "running")
        self.set_cancelling()
        self.advance()
        assert self.statuses() == {"a": "running", "b": "cancelled", "other": "cancelled"}
        assert self.run_status() == "cancelling"
        self.end("a", "cancelled")
        assert self.run_status() == "cancelled"

    def test_a_finished_run_stays_as_it_is(self):
        self.make({"a": []})
        self.advance()
        self.end("a")
        self.set_step("a", "queued")
        self.advance()
        assert self.run_status() == "completed"

    def test_advancing_twice_queues_a_step_once(self):
        self.make({"a": []})
        self.advance()
        self.advance()
        assert self.statuses() == {"a": "queued"}

    def test_a_run_without_steps_completes(self):
        self.make({})
        self.advance()
        assert self.run_status() == "completed"

    def test_the_clean_up_runs_when_everything_else_is_at_rest(self):
        self.make({"a": [], "b": ["a"]})
        self.add_cleanup()
        self.advance()
        self.end("a", "failed")
        assert (self.cleanup_status(), self.run_status()) == ("queued", "running")
        self.advance()
        self.end_cleanup("completed")
        assert self.run_status() == "failed"

    def test_a_clean_up_that_fails_does_not_fail_the_run(self):
        self.make({"a": []})
        self.add_cleanup()
        self.advance()
        assert self.cleanup_status() == "pending"
        self.end("a")
        self.end_cleanup("failed")
        assert self.run_status() == "completed"

    def test_a_cancelled_run_is_cleaned_up_before_it_ends(self):
        self.make({"a": []})
        self.add_cleanup()
        self.advance()
        self.set_cancelling()
        self.advance()
        assert (self.cleanup_status(), self.run_status()) == ("queued", "cancelling")
        self.end_cleanup("completed")
        assert self.run_status() == "cancelled"
