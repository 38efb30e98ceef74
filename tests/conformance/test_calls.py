"""The ways a step is written and called, in a script and on the runner."""

from __future__ import annotations

import pytest

FILE = "calls"


@pytest.fixture
def calls(ran):
    return ran(FILE)


class TestCalls:
    def test_every_step_completes(self, calls):
        assert set(calls.statuses.values()) == {"completed"}, calls.statuses

    def test_lists_tuples_and_dicts_of_outputs_arrive_as_such(self, calls):
        assert calls.told("collect") == {
            "items": [4, [5, 9], "4"],
            "both": ["tuple", 4, 5],
            "by_name": {"a": 4, "deep": {"b": [4]}, "plain": "x"},
        }

    def test_several_outputs_have_their_names(self, calls):
        assert {name for kind, name in calls.artifacts("pair") if kind == "output"} == {"low", "high"}
        assert calls.output("pair", "high")["artifact"] == "high"
        assert calls.output("number")["artifact"] == "calls::number::output"

    def test_a_dict_with_the_outputs_names_is_several_outputs(self, calls):
        assert {name for kind, name in calls.artifacts("named") if kind == "output"} == {"first", "second"}

    @pytest.mark.parametrize(
        ("step", "value"),
        [
            ("later_told", 40),
            ("by_name_told", 9),
            ("scaled_told", 20),
            ("scaled_again_told", 24),
            ("nested_told", 8),
            ("maybe_told", [1, None]),
            ("wide_told", 3),
            ("unsaid_told", {"got": 4}),
            ("local_told", 104),
            ("inlined_told", 8),
        ],
        ids=[
            "async def",
            "positional-only and keyword-only",
            "instance state",
            "instance state by keyword",
            "step inside a step",
            "None where Optional",
            "int for float",
            "no annotation",
            "step made in a function",
            "pipeline in a pipeline",
        ],
    )
    def test_a_step_gives_its_value_whatever_its_form(self, calls, step, value):
        assert calls.told(step) == value

    def test_a_step_called_inside_a_step_leaves_no_record(self, calls):
        assert calls.steps["nested"]["upstream"] == ["number"]
        assert not {"number_3", "named_2"} & set(calls.steps)

    def test_ids_are_counted_or_chosen(self, calls):
        assert {"number", "number_2", "chosen", "Scale", "Scale_2", "nothing_2"} <= set(calls.steps)
        assert calls.steps["chosen"]["name"] == "number"

    def test_after_takes_outputs_ids_and_results_without_outputs(self, calls):
        assert calls.steps["nothing"]["upstream"] == ["number", "tagged"]
        assert calls.steps["number_2"]["upstream"] == ["nothing"]
        assert calls.steps["chosen"]["upstream"] == ["nothing_2"]
        assert calls.steps["nothing"]["started_at"] >= calls.steps["tagged"]["ended_at"]

    def test_an_artifact_has_the_name_tags_and_metadata_it_was_given(self, calls):
        output = calls.output("tagged", "conform_score")
        assert (output["artifact"], output["tags"]) == ("conform_score", ["best", "cascades"])
        assert output["metadata"]["unit"] == "points"

    def test_a_tag_that_cascades_is_on_the_run_and_on_what_it_makes(self, calls):
        assert calls.run["tags"] == ["cascades", "plain"]
        assert calls.output("number")["tags"] == ["cascades"]

    def test_what_a_step_loads_by_itself_is_among_its_inputs_once(self, calls):
        found = {
            name: one["artifact"] for (kind, name), one in calls.artifacts("keeps_and_loads").items() if kind == "input"
        }
        assert found == {"conform_score": "conform_score"}

    def test_versions_count_up(self, calls, both):
        versions = {
            both.ran(place, FILE).output("tagged", "conform_score")["version"] for place in ("script", "runner")
        }
        assert versions == {"1", "2"}

    def test_parameters_of_the_run_are_kept(self, calls):
        assert calls.run["parameters"] == {"start": 4}

    def test_a_loop_in_the_body_makes_a_step_each_time(self, ran):
        many = ran(FILE, 1)
        assert list(many.steps) == ["number", "number_2", "number_3", "all_told"]
        assert many.told("all_told") == [0, 1, 2]
