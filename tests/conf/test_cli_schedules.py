"""``stepwell schedules``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from stepwell.accounts.models import AuditEvent
from stepwell.conf import cli
from stepwell.core.timing import Timing
from stepwell.execution import scheduling
from stepwell.pipelines.models import Schedule
from stepwell.runs.models import Run
from tests.execution.make import make_snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def schedules(capsys):
    def run(*words):
        code = cli.main(["schedules", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def nightly():
    return scheduling.make_schedule(
        pipeline=make_snapshot("train").pipeline,
        name="nightly",
        timing=Timing(cron="30 2 * * *", zone="Europe/Berlin"),
        parameters={"rows": 5},
    )


def test_without_any_it_says_so(schedules):
    assert schedules() == (0, "No schedules.\n", "")
    assert json.loads(schedules("list", "--json")[1]) == []


def test_schedules_are_listed_with_when_and_next(schedules, nightly):
    code, out, _ = schedules()
    assert code == 0
    title, line = out.splitlines()
    assert title.split() == ["SCHEDULE", "PIPELINE", "WHEN", "STATE", "NEXT"]
    assert line.split("  ")[0] == "nightly"
    assert [part.strip() for part in line.split("  ") if part][1:4] == ["train", "30 2 * * *, Europe/Berlin", "active"]
    (listed,) = json.loads(schedules("list", "--json")[1])
    assert (listed["name"], listed["cron"], listed["paused"]) == ("nightly", "30 2 * * *", False)


def test_one_is_shown_with_its_next_five_times(schedules, nightly):
    code, out, _ = schedules("show", "nightly")
    assert code == 0
    assert out.startswith("Schedule nightly of train: 30 2 * * *, Europe/Berlin, active\n")
    assert "  rows = 5\n" in out
    assert len(out.partition("Next times:\n")[2].splitlines()) == 5
    assert len(json.loads(schedules("show", "nightly", "--json")[1])["next_times"]) == 5


def test_it_is_paused_and_resumed_once_each(schedules, nightly):
    assert schedules("pause", "nightly")[1] == "nightly is paused. Go on with: stepwell schedules resume nightly\n"
    assert Schedule.objects.get().is_paused
    assert "paused" in schedules()[1]
    assert schedules("pause", str(nightly.id))[1] == "nightly is paused already.\n"
    assert schedules("resume", "nightly")[1].startswith("nightly is active. Its next time: 20")
    assert not Schedule.objects.get().is_paused
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
        "schedule.paused",
        "schedule.resumed",
    ]


def test_a_run_is_started_now(schedules, nightly):
    code, out, _ = schedules("run-now", "nightly")
    run = Run.objects.get()
    assert (code, out) == (0, f"Run {run.number} was started. Follow it with: stepwell logs {run.number} -f\n")
    assert (run.trigger, run.parameters) == ("schedule", {"rows": 5})


def test_past_days_are_filled_in_once(schedules, nightly):
    last = datetime.now(UTC).date() - timedelta(days=2)
    days = [str(last - timedelta(days=1)), str(last)]
    code, out, _ = schedules("backfill", "nightly", *days, "--preview")
    assert code == 0
    assert out.splitlines()[0] == "2 runs would be started."
    assert Run.objects.count() == 0

    assert schedules("backfill", "nightly", *days)[1].startswith("2 runs started: #")
    assert schedules("backfill", "nightly", *days)[1] == (
        "0 runs would be started. 2 of the range have a run already.\n"
    )
    assert Run.objects.count() == 2


def test_it_is_deleted(schedules, nightly):
    assert schedules("delete", "nightly")[:2] == (0, "nightly was deleted. The runs it started stay.\n")
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pause", "nightli"), 1, "There is no schedule “nightli”. Did you mean nightly?"),
        (("backfill", "nightly", "yesterday"), 2, "FIRST is “yesterday”. Write a day, such as 2026-11-23."),
        (("backfill", "nightly", "2026-02-02", "2026-02-01"), 2, "The range ends before it begins."),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(schedules, nightly, words, code, said):
    assert schedules(*words) == (code, "", f"stepwell: {said}\n")
