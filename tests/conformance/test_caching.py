"""When a step runs again and when its result is reused, in a script and on the runner."""

from __future__ import annotations

import dataclasses
import re

import pytest

FILE = "caching"

FIRST, AGAIN, OTHER_RATE, OTHER_VALUE, A, B, HERE, THERE, OFF, OFF_AGAIN, POLICY, POLICY_AGAIN, SHARED = range(13)


def origin_of(run):
    number = re.search(r"run #(\d+)", run.steps["make"]["cache_reason"])[1]
    return dataclasses.replace(run, number=int(number))


def cached(run):
    return {name for name, status in run.statuses.items() if status == "cached"}


class TestCaching:
    def test_the_second_run_takes_all_it_may_from_the_first(self, ran):
        again = ran(FILE, AGAIN)
        assert again.status == "completed"
        assert set(again.steps) - cached(again) == {"expired", "off", "no_cache", "fresh", "by_version"}

    def test_a_reused_result_is_the_same_version_and_says_where_it_is_from(self, ran):
        first, again = ran(FILE, FIRST), ran(FILE, AGAIN)
        assert again.output("make")["id"] == first.output("make")["id"]
        assert again.steps["make"]["attempts"] == []
        assert again.steps["make"]["cache_reason"] == (
            f"Taken from run #{first.number}: same code, parameters and inputs."
        )

    @pytest.mark.parametrize(
        ("step", "reason"),
        [
            ("expired", "the stored result expired"),
            ("off", "caching is off"),
            ("no_cache", "caching is off"),
            ("by_version", "input data changed"),
        ],
    )
    def test_a_step_that_runs_again_says_why(self, ran, step, reason):
        assert ran(FILE, AGAIN).steps[step]["cache_reason"] == f"Ran because {reason}."

    def test_a_changed_parameter_counts_where_the_policy_lets_it(self, ran):
        run = ran(FILE, OTHER_RATE)
        assert {"without_parameters", "ignoring_rate", "make"} <= cached(run)

    def test_a_changed_parameter_is_told_with_both_values(self, ran):
        run = ran(FILE, OTHER_VALUE)
        assert run.steps["make"]["cache_reason"] == "Ran because parameter value changed from 1 to 2."

    def test_a_changed_input_counts_unless_the_policy_ignores_it(self, ran):
        run = ran(FILE, OTHER_VALUE)
        assert cached(run) == {"without_values", "ignoring_data", "with_helper"}
        assert run.steps["ignoring_rate"]["cache_reason"] == "Ran because input data changed."

    def test_equal_content_is_reused_and_another_version_is_not_where_versions_count(self, ran):
        again = ran(FILE, AGAIN)
        assert (again.statuses["by_content"], again.statuses["by_version"]) == ("cached", "completed")

    def test_retry_hooks_resources_extra_group_and_id_do_not_count(self, ran):
        assert ran(FILE, A).statuses == {"made_a": "completed"}
        assert ran(FILE, B).statuses == {"made_b": "cached"}

    def test_environment_counts_and_its_values_are_not_told(self, ran):
        assert ran(FILE, THERE).steps["make"]["cache_reason"] == "Ran because environment changed (WORD)."

    def test_data_that_was_changed_or_is_gone_means_running_again(self, ran, both):
        case = [("shared_with_the_other_place", {})]
        for spoil in (lambda path: path.write_bytes(b"x" * path.stat().st_size), lambda path: path.unlink()):
            (before,) = both.run_now(ran.place, FILE, case)
            stored = before if before.statuses["make"] == "completed" else origin_of(before)
            for path in stored.paths("make"):
                spoil(path)
            (after,) = both.run_now(ran.place, FILE, case)
            assert after.statuses["make"] == "completed"
            assert after.steps["make"]["cache_reason"] == (
                f"Ran because the data that run #{stored.number} stored is gone or was changed."
            )

    def test_the_step_decides_over_the_pipeline(self, ran):
        assert ran(FILE, OFF_AGAIN).statuses == {"make": "completed", "on_by_step": "cached"}

    def test_a_pipelines_policy_lies_field_by_field_under_the_steps(self, ran):
        again = ran(FILE, POLICY_AGAIN)
        assert again.statuses == {"takes_over": "completed", "sets_its_own": "cached"}
        assert again.options("takes_over")["cache_policy"]["expires_after"] == 0
        assert again.options("takes_over")["cache_policy"]["include_step_code"] is False

    def test_script_and_runner_share_results(self, both):
        runs = [both.ran(place, FILE, number) for place in ("script", "runner") for number in (SHARED, SHARED + 1)]
        first = min(runs, key=lambda run: run.number)
        assert sorted(run.statuses["make"] for run in runs) == ["cached", "cached", "cached", "completed"]
        assert first.statuses["make"] == "completed"
