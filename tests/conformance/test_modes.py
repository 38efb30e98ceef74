"""Execution modes and parallel steps, in a script and on the runner."""

from __future__ import annotations

FILE = "modes"


class TestModes:
    def test_by_default_what_does_not_depend_on_the_failure_goes_on(self, ran):
        run = ran(FILE, 0)
        assert run.status == "failed"
        assert run.statuses == {
            "fails": "failed",
            "runs": "completed",
            "below_failed": "skipped",
            "below": "completed",
            "below_good": "completed",
        }

    def test_stop_on_failure_lets_running_steps_end_and_starts_no_more(self, ran):
        run = ran(FILE, 1)
        assert run.run["execution_mode"] == "stop_on_failure"
        assert (run.statuses["fails"], run.statuses["runs"]) == ("failed", "completed")
        assert {run.statuses[name] for name in ("below_failed", "below", "below_good")} == {"skipped"}
        assert "stops at the first failure" in run.steps["below"]["status_reason"]

    def test_fail_fast_stops_running_steps_too(self, ran):
        run = ran(FILE, 2)
        assert run.status == "failed"
        assert (run.statuses["fails"], run.statuses["runs"]) == ("failed", "cancelled")
        assert run.steps["below"]["status"] == "skipped"

    def test_independent_steps_run_side_by_side(self, ran):
        first, second = ran(FILE, 3).steps.values()
        assert max(first["started_at"], second["started_at"]) < min(first["ended_at"], second["ended_at"])
