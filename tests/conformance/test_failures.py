"""How steps fail and are tried again, in a script and on the runner."""

from __future__ import annotations

import pytest

FILE = "failures"


@pytest.fixture
def failures(ran):
    return ran(FILE)


class TestFailures:
    def test_waits_between_attempts_follow_delay_and_backoff(self, failures):
        first, second, third = (failures.told("waits", attempt) for attempt in (1, 2, 3))
        assert second - first >= 0.6
        assert third - second >= 1.2
        assert "Next attempt in 600 ms." in failures.log("waits", 1)
        assert "Next attempt in 1.2 s." in failures.log("waits", 2)
        assert len(failures.steps["waits"]["attempts"]) == 3

    def test_the_default_backoff_keeps_the_delay_and_a_retry_may_work(self, failures):
        first, second, third = (failures.told("waits_evenly", attempt) for attempt in (1, 2, 3))
        assert min(second - first, third - second) >= 0.4
        for attempt in (1, 2):
            assert "Next attempt in 400 ms." in failures.log("waits_evenly", attempt)
        assert failures.statuses["waits_evenly"] == "completed"
        assert failures.steps["waits_evenly"]["attempts"][0]["error_type"] == "OSError"

    @pytest.mark.parametrize(
        ("step", "error"), [("leaves", "SystemExit: leaving"), ("interrupted", "KeyboardInterrupt")]
    )
    def test_exits_and_interrupts_are_not_tried_again(self, failures, step, error):
        assert len(failures.steps[step]["attempts"]) == 1
        assert failures.failure(step).startswith(error)

    def test_a_time_out_is_tried_again_like_a_failure(self, failures):
        assert [one["status"] for one in failures.steps["slow"]["attempts"]] == ["timed_out", "timed_out"]
        assert "400 ms" in failures.steps["slow"]["status_reason"]

    def test_crashes_spend_their_own_budget(self, failures):
        assert [one["status"] for one in failures.steps["crashing"]["attempts"]] == ["crashed"] * 3
        assert "crash budget" in failures.steps["crashing"]["status_reason"]
        assert failures.steps["crashing"]["attempts"][0]["signal"] == 11

    @pytest.mark.parametrize(
        ("step", "words"),
        [
            ("too_few", ["too_few returned 2 values", "3 outputs output_0, output_1, output_2"]),
            ("wrong_type", ["wrong_type returned dict as its output, which", "list[int]"]),
            ("none_given", ["none_given returned NoneType", "annotated int"]),
            ("something_given", ["something_given returned int", "says it returns None"]),
            ("unstorable", ["The output of step unstorable", "socket", "cannot be stored"]),
        ],
    )
    def test_an_output_that_does_not_fit_fails_its_step_in_words(self, failures, step, words):
        assert failures.statuses[step] == "failed"
        assert [word for word in words if word not in failures.failure(step)] == []

    def test_what_depends_on_a_failure_is_skipped_with_the_reason(self, failures):
        assert failures.statuses["skipped"] == failures.statuses["below_failure"] == "skipped"
        assert failures.steps["skipped"]["status_reason"] == "wrong_type failed."
        assert failures.statuses["good"] == "completed"

    def test_a_version_that_exists_fails_the_step(self, ran):
        run = ran(FILE, 1)
        (failed,) = (name for name, status in run.statuses.items() if status == "failed")
        assert "conform_versioned has a version “one” already" in run.failure(failed)

    def test_a_script_gets_the_original_exception_with_its_run(self, ran):
        run = ran(FILE, 2)
        assert run.status == "failed"
        if ran.place == "script":
            assert run.error[:2] == ["LookupError", "no odd number"]
            assert f"run #{run.number}" in run.error[2]
        else:
            assert run.failure("odd_number") == "LookupError: no odd number"
