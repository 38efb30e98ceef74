"""Dynamic pipelines, in a script and on the runner."""

from __future__ import annotations

import pytest

FILE = "dynamic"
DRIVER = ":driver"


def steps_of(run):
    return {name: step for name, step in run.steps.items() if step["kind"] == "step"}


class TestFanOut:
    def test_maps_and_products_give_their_values_in_the_order_of_the_items(self, ran):
        run = ran(FILE, 0)
        assert (run.status, run.run["execution_mode"], run.run["dynamic"]) == ("completed", "stop_on_failure", True)
        assert run.told(DRIVER) == {
            "mapped": [0, 2, 4],
            "again": [10, 22, 34],
            "shared": [[0, 0], [1, 2], [2, 4]],
            "product": [1, 2, 3, 2, 3, 4],
            "empty": [[], 0],
            "low": [4, 5],
            "highs": [12, 14],
            "slice": [22, 34],
            "n": 3,
        }

    def test_children_are_named_by_their_map_and_place_and_share_a_group(self, ran):
        run = ran(FILE, 0)
        children = [step for name, step in run.steps.items() if name.startswith("map:double:")]
        assert [child["invocation_id"] for child in children] == [f"map:double:{index}" for index in range(3)]
        assert [child["map_index"] for child in children] == [0, 1, 2]
        assert {(child["options"]["group"]["type"], child["options"]["group"]["id"]) for child in children} == {
            ("map", "double")
        }
        assert {child["options"]["group"]["name"] for child in children} == {"double"}
        assert run.steps["map:double:0"]["upstream"] == ["numbers"]
        assert run.steps["map:add:1"]["upstream"] == ["map:double:1"]

    def test_the_driver_s_calls_are_listed_with_what_became_of_their_steps(self, ran):
        run = ran(FILE, 0)
        page = run.instance.api.get(f"/runs/{run.number}/calls").json()
        calls = page["items"]
        assert [call["ordinal"] for call in calls] == list(range(1, len(calls) + 1))
        shown = ("numbers", "double", "add", "scale", "add_2")
        found = {
            call["invocation_id"]: (call["kind"], call["count"], call["statuses"])
            for call in calls
            if call["invocation_id"] in shown
        }
        assert found == {
            "numbers": ("step", 1, {"completed": 1}),
            "double": ("map", 3, {"completed": 3}),
            "add": ("map", 3, {"completed": 3}),
            "scale": ("map", 3, {"completed": 3}),
            "add_2": ("product", 6, {"completed": 6}),
        }
        assert {call["kind"] for call in calls} == {"step", "map", "product", "load"}


class TestFutures:
    def test_futures_are_awaited_where_they_are_used(self, ran):
        run = ran(FILE, 1)
        assert run.status == "completed"
        assert run.told(DRIVER) == {
            "was_running": True,
            "summed": 14,
            "names": [3, 5, 2, 3],
            "local": 101,
            "varied": 8,
            "power": 8,
            "after": [True, False, None],
            "loose": 7,
        }

    def test_after_waits_for_success_and_start_after_for_any_end(self, ran):
        run = ran(FILE, 1)
        assert run.steps["passes"]["started_at"] >= run.steps["first"]["ended_at"]
        assert run.steps["nothing"]["upstream"] == ["total"]
        assert run.statuses["fails"] == "failed"
        assert run.steps["quick"]["started_at"] >= run.steps["fails"]["ended_at"]


class TestFailures:
    def test_failures_are_raised_as_they_were_where_they_are_awaited(self, ran):
        run = ran(FILE, 2)
        assert run.told(DRIVER) == [
            ["KeyError", "on purpose"],
            ["StepExecutionException", "KeyError"],
            ["KeyError", "on purpose"],
            ["KeyError", [False, False, False]],
            [1, 2],
        ]

    def test_a_body_that_caught_what_failed_completes(self, ran):
        run = ran(FILE, 2)
        assert run.status == "completed"
        assert run.statuses["double"] == "skipped"
        assert run.statuses["map:fails_3:1"] == "failed"
        assert run.statuses["map:fails_3:2"] == "completed"

    def test_a_failure_nobody_awaited_fails_the_run_at_its_end(self, ran):
        run = ran(FILE, 3)
        assert (run.status, run.statuses["quick"]) == ("failed", "completed")
        assert "Step fails failed, and the pipeline did not ask for the result: KeyError" in run.run["status_reason"]

    def test_the_mode_continue_on_failure_tolerates_it(self, ran):
        assert ran(FILE, 4).status == "completed"

    def test_a_body_that_raises_lets_running_steps_end_and_starts_no_more(self, ran):
        run = ran(FILE, 5)
        assert (run.status, run.run["status_reason"]) == ("failed", "RuntimeError: the body")
        assert run.statuses["slow"] == "completed"
        assert run.statuses["quick"] == "skipped"

    def test_fail_fast_stops_running_steps_and_the_body_whatever_it_catches(self, ran):
        run = ran(FILE, 6)
        assert run.status == "failed"
        assert run.statuses["slow"] == "cancelled"
        assert run.statuses.get("never", "cancelled") == "cancelled"
        assert "quick" not in run.statuses


class TestPipelines:
    def test_child_runs_are_linked_and_give_back_what_their_bodies_returned(self, ran):
        run = ran(FILE, 7)
        assert run.status == "completed"
        assert run.told(DRIVER) == {
            "static": 10,
            "embedded": 3,
            "dynamic": [6, 3, 6, False],
            "failing": ["StepExecutionException", "KeyError"],
        }
        calls = run.instance.api.get(f"/runs/{run.number}/calls").json()["items"]
        children = {call["name"]: call for call in calls if call["kind"] == "pipeline"}
        assert set(children) == {"child_static", "child_dynamic", "child_failing"}
        assert children["child_failing"]["statuses"] == {"failed": 1}
        child = run.instance.run(children["child_static"]["invocation_id"].lstrip("#"))
        assert (child["called_by"], child["trigger"], child["status"]) == (run.run["id"], "pipeline", "completed")

    def test_embedded_steps_are_the_parents(self, ran):
        assert "quick_2" in ran(FILE, 7).statuses


class TestOptions:
    def test_a_concurrency_limit_holds_for_a_map(self, ran):
        run = ran(FILE, 8)
        assert run.status == "completed"
        spans = sorted((step["started_at"], step["ended_at"]) for step in steps_of(run).values())
        assert len(spans) == 4
        for began, _ in spans:
            assert sum(start <= began < end for start, end in spans) <= 2

    def test_inline_steps_run_in_the_driver_one_after_the_other(self, ran):
        run = ran(FILE, 9)
        assert (run.status, run.told(DRIVER)) == ("completed", [True, ["yes", 2], [1, 2], None, "inline"])
        assert run.statuses["inline"] == "completed"
        assert run.failure("inline_fails") == "LookupError: inline"

    def test_mistakes_are_named_and_run_nothing(self, ran):
        run = ran(FILE, 10)
        told = run.told(DRIVER)
        assert told[0].startswith(
            "RuntimeError: Step add: map over sequences of different lengths: left has 2, right has 3"
        )
        assert told[1].startswith("RuntimeError: Step add: there is nothing to map over")
        assert "all outputs of step pair at once (low, high)" in told[2]
        assert told[3].startswith("TypeError: Step double: after holds 'numbers'")
        assert "has no input valu" in told[4]
        assert "double.submit is called inside a running step" in told[5]
        assert "another thread" in told[6] or "body of a dynamic pipeline only" in told[6]
        assert set(steps_of(run)) == {"pair", "submits"}

    def test_hooks_of_a_dynamic_pipeline_are_called_once_for_the_run(self, ran):
        run = ran(FILE, 11)
        assert run.log(DRIVER).split("\n")[:2] == ["hook start", "hook success"]
        assert [(hook["invocation_id"], hook["hook"], hook["ok"]) for hook in run.events("hook")] == [
            (DRIVER, "on_start", True),
            (DRIVER, "on_success", True),
        ]

    def test_the_second_run_takes_its_steps_from_the_first(self, ran):
        first, second = ran(FILE, 12), ran(FILE, 13)
        assert {step["status"] for step in steps_of(second).values()} == {"cached"}
        assert second.told(DRIVER) == first.told(DRIVER)


@pytest.mark.parametrize("number", [3, 5, 6])
def test_a_script_raises_what_failed(both, number):
    run = both.ran("script", FILE, number)
    kind = {3: "StepExecutionException", 5: "RuntimeError", 6: "KeyError"}[number]
    assert run.error[0] == kind
