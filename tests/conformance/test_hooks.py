"""Hooks, in a script and on the runner."""

from __future__ import annotations

import re

import pytest

FILE = "hooks"


@pytest.fixture
def hooks(ran):
    return ran(FILE)


def lines(run, step, attempt=1):
    return [line for line in run.log(step, attempt).splitlines() if re.match(r"hook:|body", line)]


class TestHooks:
    def test_order_of_a_step_that_completes(self, hooks):
        assert lines(hooks, "good") == ["hook: start 1", "body", "hook: end None", "hook: success"]

    def test_start_and_end_run_once_per_attempt_and_failure_once_after_the_last(self, hooks):
        for attempt in (1, 2):
            end = f"hook: end ValueError('attempt {attempt}')"
            assert lines(hooks, "bad", attempt) == [f"hook: start {attempt}", "body", end]
        last = ["hook: end ValueError('attempt 3')", "hook: failure ValueError('attempt 3')"]
        assert lines(hooks, "bad", 3) == ["hook: start 3", "body", *last]

    def test_a_retry_that_works_is_a_success_only(self, hooks):
        assert lines(hooks, "recovers", 1) == ["hook: start 1", "hook: end ValueError('once')"]
        assert lines(hooks, "recovers", 2) == ["hook: start 2", "hook: end None", "hook: success"]

    def test_success_waits_until_outputs_are_checked(self, hooks):
        (line,) = lines(hooks, "wrong_output")
        assert line.startswith("hook: failure StepInterfaceError")

    def test_success_waits_until_outputs_are_stored(self, hooks):
        assert lines(hooks, "stored") == ["hook: end None", "hook: success"]
        end, failure = lines(hooks, "refused")
        assert end.startswith("hook: end ConfigError('Artifact hooks_taken_")
        assert failure.startswith("hook: failure ConfigError('Artifact hooks_taken_")
        assert [told["hook"] for told in hooks.events("hook") if told["invocation_id"] == "refused"] == [
            "on_end",
            "on_failure",
        ]

    @pytest.mark.parametrize(
        ("step", "line"),
        [
            ("with_lambda", "hook: lambda"),
            ("with_local", "hook: local inner"),
            ("with_callable", "hook: callable called"),
            ("with_dotted", "hook: success"),
            ("with_end", "hook: end without argument"),
            ("with_bound", "hook: bound method no"),
            ("with_partial", "hook: partial no"),
            ("without_argument", "hook: failure without argument"),
        ],
    )
    def test_any_callable_serves_with_or_without_the_exception(self, hooks, step, line):
        assert lines(hooks, step) == [line]

    def test_a_hook_that_raises_leaves_the_outcome_and_is_told(self, hooks):
        assert hooks.statuses["with_broken"] == "completed"
        assert "the hook itself is broken" in hooks.log("with_broken")
        assert told_of(hooks, "with_broken", "on_success") == [(False, "RuntimeError: the hook itself is broken")]

    def test_a_hook_that_dies_leaves_the_outcome_and_is_told(self, hooks):
        assert hooks.statuses["with_death"] == "completed"
        assert told_of(hooks, "with_death", "on_success") == [(False, "The process ended before the hook did.")]

    def test_failure_hook_runs_in_a_fresh_process_after_a_crash_or_time_out(self, hooks):
        assert hooks.statuses["crashes"] == hooks.statuses["too_slow"] == "failed"
        assert "exit code 9" in lines(hooks, "crashes", 3)[0]
        assert not lines(hooks, "crashes", 1)
        assert "time-out" in lines(hooks, "too_slow")[0]

    def test_skipped_and_cached_steps_have_no_hooks(self, hooks, ran):
        assert hooks.statuses["after_bad"] == "skipped"
        assert told_of(hooks, "after_bad", "on_success") == []
        first, again = ran(FILE, 2), ran(FILE, 3)
        assert (first.statuses["reused"], again.statuses["reused"]) == ("completed", "cached")
        assert len(first.events("hook")) == 3
        assert again.events("hook") == []

    def test_hooks_of_a_static_pipeline_are_the_default_of_its_steps(self, ran):
        pipeline = ran(FILE, 1)
        assert lines(pipeline, "passes") == ["hook: success"]
        assert lines(pipeline, "raises") == ["hook: failure ValueError('no')"]
        assert lines(pipeline, "own") == ["hook: end without argument"]


def told_of(run, step, hook):
    return [
        (one["ok"], one["error"]) for one in run.events("hook") if (one["invocation_id"], one["hook"]) == (step, hook)
    ]
