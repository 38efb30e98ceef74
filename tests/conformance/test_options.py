"""What each option of a step does, in a script and on the runner."""

from __future__ import annotations

import pytest

FILE = "options"


@pytest.fixture
def options(ran):
    return ran(FILE)


class TestOptions:
    def test_every_step_of_the_pipeline_completes(self, options):
        assert set(options.statuses.values()) == {"completed"}, options.statuses

    def test_environment_is_text_and_the_step_wins_over_the_pipeline(self, options):
        assert options.told("environment") == {
            "COUNT": "3",
            "FLAG": "True",
            "BOTH": "step",
            "FROM_PIPELINE": "1",
            "key": 8,
        }

    def test_environment_and_secrets_reach_only_their_own_step(self, options):
        assert options.told("other_environment") == ["FROM_PIPELINE"]

    def test_secret_values_are_not_in_what_is_stored(self, options):
        assert options.options("environment")["secrets"] == ["conformance"]
        assert "12345678" not in str(options.steps)

    def test_a_call_argument_wins_over_configured_parameters_over_defaults(self, options):
        assert [options.told(name) for name in ("train", "train_2", "train_3")] == [[0.7, 2], [0.5, 5], [0.1, 5]]

    def test_without_step_logs_only_a_remark_is_kept(self, options):
        assert "enable_step_logs is off" in options.log("silent")
        assert "this is kept nowhere" not in options.log("silent")

    def test_metadata_is_collected_unless_switched_off(self, options):
        assert options.output("train")["metadata"]
        assert options.output("bare")["metadata"] == {}

    def test_a_step_cannot_take_more_memory_than_its_resources_allow(self, options):
        assert options.statuses["greedy"] == "completed"
        assert options.options("greedy")["settings"] == {"resources": {"memory": "300MB", "cpu_count": 1}}

    def test_extra_is_recorded_over_the_pipelines(self, options):
        assert options.options("recorded")["extra"] == {"owner": {"site": "y", "team": "x"}}

    def test_other_options_are_recorded(self, options):
        recorded = options.options("recorded")
        assert recorded["group"] == {"id": "g1", "name": "night", "type": "phase"}
        assert recorded["model"]["name"] == "churn"
        assert recorded["heartbeat_healthy_threshold"] == 10
        assert recorded["substitutions"] == {"region": "eu"}
        assert (recorded["step_type"], recorded["runtime"], recorded["timeout"]) == ("trainer", "isolated", 600)
        assert options.options("told_about")["heartbeat_healthy_threshold"] == 1440
        assert options.options("told_about")["group"]["name"] == "night"

    def test_what_has_no_effect_is_said_in_the_log(self, options):
        assert "settings['docker'] has no effect here" in options.log("recorded")

    def test_a_running_step_knows_its_pipeline_name_attempt_and_run(self, options):
        assert options.told("told_about") == ["options", "told_about", 1, options.number]
