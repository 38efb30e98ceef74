"""What the settings say of steps whose code says nothing."""

from __future__ import annotations

import pytest

from stepwell.accounts.actions import change_settings
from stepwell.core.plan import Overrides, Retry, StepOptions, StepOverride
from stepwell.execution import children
from tests.execution.make import make_plan, planned
from tests.execution.test_actions import finish_next, start

pytestmark = pytest.mark.django_db

VALUES = {
    "step_retries": 2,
    "step_retry_wait_seconds": 30,
    "step_timeout_seconds": 60,
    "step_cache": False,
}


def plan_with(*steps, **values):
    change_settings(values=values, by=None)
    run = start()
    finish_next(plan=make_plan(*steps).model_dump(mode="json"))
    return run


def test_they_stand_in_for_what_is_not_said_and_the_plan_says_so():
    step = plan_with(planned("a", options=StepOptions()), **VALUES).steps.get(invocation_id="a")

    assert step.options.retry == Retry(max_retries=2, delay=30)
    assert (step.options.timeout, step.options.enable_cache) == (60, False)
    assert step.plan["origins"] == dict.fromkeys(("retry", "timeout", "enable_cache"), "settings")


def test_what_code_says_stays():
    options = StepOptions(timeout=5, cache_policy={"name": "default"})
    origins = {"retry": "step", "timeout": "pipeline", "cache_policy": "step", "extra": "default"}
    coded = planned("a", options=options).model_copy(update={"origins": origins})
    step = plan_with(coded, **VALUES).steps.get(invocation_id="a")

    assert step.options == options
    assert step.plan["origins"] == origins


def test_a_run_overrides_them():
    change_settings(values=VALUES, by=None)
    run = start(overrides=Overrides(steps={"a": StepOverride(timeout=7)}))
    finish_next(plan=make_plan(planned("a", options=StepOptions())).model_dump(mode="json"))
    step = run.steps.get(invocation_id="a")

    assert (step.options.timeout, step.plan["origins"]["timeout"]) == (7, "run")


def test_a_later_change_leaves_the_runs_there_are():
    run = plan_with(planned("a", options=StepOptions()), step_timeout_seconds=60)
    change_settings(values={"step_timeout_seconds": 5}, by=None)

    assert run.steps.get(invocation_id="a").options.timeout == 60


def test_as_they_come_they_leave_plans_alone():
    run = plan_with(planned("a", options=StepOptions()))

    assert run.steps.get(invocation_id="a").plan["origins"] == {}


def test_a_step_of_a_dynamic_run_has_them_too():
    change_settings(values={"heartbeat_threshold_minutes": 7}, by=None)
    step = children._planned(start(), planned("a", options=StepOptions()).model_dump(mode="json"))

    assert step.options.heartbeat_healthy_threshold == 7
    assert step.origins == {"heartbeat_healthy_threshold": "settings"}
