"""``Schedule``, and what calling a pipeline with one stores."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from stepwell import Schedule, pipeline, step
from stepwell.config.schedule import Schedule as ByPath
from stepwell.core.timing import Timing
from stepwell.errors import ConfigError, UsageError
from stepwell.sdk import tracing

START = datetime(2026, 12, 1, 2, tzinfo=UTC)


@step
def load(rows: int) -> int:
    return rows


@pipeline
def nightly(rows: int = 3, scale: float = 1.0) -> None:
    load(rows)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the server's seam is asked to store."""
    requests: list[dict[str, Any]] = []

    def store_schedule(**request: Any) -> Any:
        requests.append(request)
        return SimpleNamespace(
            name=request["name"], pipeline="nightly", is_new=True, is_paused=False, next_times=[START]
        )

    module = ModuleType("stepwell.conf.local")
    module.store_schedule = store_schedule  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stepwell.conf.local", module)
    return requests


@pytest.mark.parametrize(
    ("given", "timing"),
    [
        (
            {"cron_expression": "30 2 * * *", "timezone": "Europe/Berlin"},
            Timing(cron="30 2 * * *", zone="Europe/Berlin"),
        ),
        ({"start_time": START, "interval_second": timedelta(hours=1)}, Timing(interval=3600, start=START)),
        ({"start_time": START, "interval_second": 90}, Timing(interval=90, start=START)),
        ({"run_once_start_time": "2026-12-01T02:00"}, Timing(once=START)),
        (
            {"run_once_start_time": "2026-12-01T03:00", "timezone": "Europe/Berlin"},
            Timing(once=START, zone="Europe/Berlin"),
        ),
        ({"cron_expression": "@daily", "end_time": START}, Timing(cron="@daily", end=START)),
    ],
)
def test_a_schedule_is_read_as_written(given: dict[str, Any], timing: Timing) -> None:
    assert Schedule(**given).timing == timing


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "nothing says when"),
        ({"cron_expression": "never"}, "“never” cannot be read"),
        ({"cron_expression": 5}, "cron_expression is 5"),
        ({"interval_second": 60}, "needs a time to count from"),
        ({"start_time": START, "interval_second": 0.5}, "interval_second is 0.5"),
        ({"cron_expression": "@daily", "catchup": "yes"}, "catchup is 'yes'"),
        ({"cron_expression": "@daily", "timezone": "Mars"}, "“Mars” is not a time zone"),
        ({"run_once_start_time": "soon"}, "run_once_start_time is “soon”"),
        ({"run_once_start_time": 7}, "run_once_start_time is 7"),
        ({"cron_expression": "@daily", "run_once_start_time": START}, "both given"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Schedule(**given)


def test_calling_stores_the_schedule_and_runs_nothing(asked: list, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = Schedule(name="at-two", cron_expression="0 2 * * *", catchup=True)
    stored = nightly.with_options(schedule=schedule)(rows=9)

    (request,) = asked
    assert stored.name == request["name"] == "at-two"
    assert (request["timing"], request["catchup"]) == (schedule.timing, True)
    # What is not given follows the code's defaults.
    assert request["parameters"] == {"rows": 9}
    assert request["spec"].source.qualname == "nightly"
    assert request["entry_file"].endswith(".py")
    assert "Schedule at-two of nightly is stored. Its next runs: 2026-12-01 02:00:00 UTC" in capsys.readouterr().err


def test_the_options_of_the_variant_travel_with_the_schedule(asked: list) -> None:
    schedule = Schedule(cron_expression="@daily")
    nightly.with_options(enable_cache=False, steps={"load": {"timeout": 5}}, run_name="n-{date}", schedule=schedule)()

    (request,) = asked
    assert request["name"] == "nightly-schedule"
    variant = request["overrides"].variant
    assert variant["options"] == {"enable_cache": False, "run_name": "n-{date}"}
    assert variant["steps"]["load"]["timeout"] == 5
    assert request["spec"].plan.steps[0].options.enable_cache is True


def test_with_options_keeps_the_schedule_and_leaves_the_original_alone(asked: list) -> None:
    scheduled = nightly.with_options(schedule=Schedule(cron_expression="@daily"))
    scheduled.with_options(enable_cache=False)()

    assert len(asked) == 1
    assert nightly.schedule is None


def test_importing_a_script_stores_nothing(asked: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "importing", True)

    assert nightly.with_options(schedule=Schedule(cron_expression="@daily"))() is None
    assert asked == []


def test_code_a_runner_cannot_find_is_refused(asked: list) -> None:
    @pipeline
    def local() -> None:
        load(1)

    with pytest.raises(UsageError, match="not at the top level of a file"):
        local.with_options(schedule=Schedule(cron_expression="@daily"))()
    assert asked == []


def test_bad_arguments_and_fixed_run_names_are_refused_before_anything_is_stored(asked: list) -> None:
    schedule = Schedule(cron_expression="@daily")

    with pytest.raises(UsageError, match="rows"):
        nightly.with_options(schedule=schedule)(rows="many")
    with pytest.raises(UsageError, match="has no placeholder"):
        nightly.with_options(schedule=schedule, run_name="fixed")()
    with pytest.raises(ConfigError, match="schedule is 'daily'"):
        nightly.with_options(schedule="daily")  # type: ignore[arg-type]
    assert asked == []


def test_schedule_is_found_where_users_import_it_from() -> None:
    assert ByPath is Schedule
