"""Schedules fire each of their times once, whatever the clock and the other runners do."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from stepwell.core.plan import Overrides, StepOverride
from stepwell.core.timing import Timing
from stepwell.errors import Conflict, UsageError
from stepwell.execution import clock, scheduling
from stepwell.execution.parameters import ParameterErrors
from stepwell.kit import models as kit
from stepwell.pipelines import schedules
from stepwell.pipelines.models import Schedule, ScheduleFire, Snapshot
from stepwell.runs.models import Run
from tests.execution.make import SCHEMA, make_plan, make_snapshot, planned

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class Hands:
    """The database's clock, set by the test."""

    def __init__(self) -> None:
        self.now = START

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def hands(monkeypatch):
    hands = Hands()

    def told(self, compiler, connection, **extra):
        return "CAST(%s AS double precision)", [hands.now.timestamp()]

    monkeypatch.setattr(kit.DbNow, "as_sqlite", told)
    monkeypatch.setattr(kit.DbNow, "as_postgresql", told)
    return hands


def make(name="every-minute", *, pipeline="train", **changes):
    timing = changes.pop("timing", None) or Timing(cron="* * * * *")
    fields = {"parameters": {"rows": 5}, **changes}
    return scheduling.make_schedule(pipeline=make_snapshot(pipeline).pipeline, name=name, timing=timing, **fields)


def fired():
    return [f"{fire.due:%H:%M}" for fire in ScheduleFire.objects.filter(run_id__isnull=False).order_by("fire_at")]


def rounds(count=10):
    """Let the clock look several times at the same moment; return how many times it took."""
    return sum(clock.fire_due() for _ in range(count))


def test_nothing_fires_before_its_time_and_then_once(hands):
    schedule = make()

    assert rounds() == 0
    hands.move(seconds=60)
    assert rounds() == 1
    run = Run.objects.get()
    assert (run.trigger, run.parameters, run.idempotency_key) == (
        "schedule",
        {"rows": 5},
        f"schedule:{schedule.id}:{int(START.timestamp()) + 60}",
    )
    assert ScheduleFire.objects.get().run_id == run.id
    hands.move(seconds=60)
    assert rounds() == 1
    assert fired() == ["12:01", "12:02"]


def test_the_options_of_the_schedule_are_those_of_the_run(hands):
    make(overrides=Overrides(steps={"load": StepOverride(timeout=9)}))
    hands.move(seconds=60)
    clock.fire_due()

    assert Run.objects.get().parsed_overrides == Overrides(steps={"load": StepOverride(timeout=9)})


def test_a_jump_of_the_clock_makes_one_run_up(hands):
    make()
    hands.move(hours=5)

    assert rounds() == 1
    assert fired() == ["12:01"]
    hands.move(seconds=60)
    assert rounds() == 1
    assert fired() == ["12:01", "17:01"]


def test_with_catchup_a_jump_makes_up_for_every_time(hands):
    make(catchup=True)
    hands.move(minutes=4, seconds=30)

    assert rounds() == 4
    assert fired() == ["12:01", "12:02", "12:03", "12:04"]


def test_a_clock_that_goes_back_fires_nothing_again(hands):
    make()
    hands.move(minutes=10)
    assert rounds() == 1
    hands.move(minutes=-9)

    for _ in range(9):
        hands.move(minutes=1)
        assert rounds(2) == 0
    hands.move(minutes=1)
    assert rounds() == 1
    assert fired() == ["12:01", "12:11"]


def test_catchup_from_a_start_in_the_past(hands):
    make(catchup=True, timing=Timing(cron="@hourly", start=START - timedelta(hours=3)))

    assert rounds() == 4
    assert fired() == ["09:00", "10:00", "11:00", "12:00"]


def test_catching_up_with_far_too_much_is_refused(hands):
    with pytest.raises(UsageError, match="more than 500 runs"):
        make(catchup=True, timing=Timing(cron="* * * * *", start=START - timedelta(days=3)))
    assert not Schedule.objects.exists()


def test_paused_fires_nothing_and_goes_on_from_now(hands):
    schedule = make()
    schedules.pause(schedule)
    hands.move(hours=2)

    assert rounds() == 0
    assert schedule.next_fire is None
    schedules.resume(Schedule.objects.get())
    assert rounds() == 0
    hands.move(minutes=1)
    assert rounds() == 1
    assert fired() == ["14:01"]


def test_resumed_with_catchup_it_makes_up_for_the_pause(hands):
    schedules.pause(make(catchup=True))
    hands.move(minutes=3)
    schedules.resume(Schedule.objects.get())

    assert rounds() == 3


def test_a_pause_between_the_look_and_the_claim_counts(hands, monkeypatch):
    make()
    hands.move(minutes=1)
    due = schedules.due_schedules(limit=5)
    schedules.pause(Schedule.objects.get())
    monkeypatch.setattr(schedules, "due_schedules", lambda limit: due)

    assert clock.fire_due() == 0
    assert not Run.objects.exists()


def test_a_pipeline_deleted_between_the_look_and_the_claim_fires_nothing(hands, monkeypatch):
    schedule = make()
    hands.move(minutes=1)
    due = schedules.due_schedules(limit=5)
    schedule.pipeline.delete()
    monkeypatch.setattr(schedules, "due_schedules", lambda limit: due)

    assert clock.fire_due() == 0
    assert not Schedule.objects.exists()
    assert not Run.objects.exists()


def test_nothing_fires_after_the_end(hands):
    make(timing=Timing(cron="* * * * *", end=START + timedelta(minutes=2)))
    for _ in range(5):
        hands.move(minutes=1)
        rounds(2)

    assert fired() == ["12:01", "12:02"]
    assert Schedule.objects.get().next_fire_at is None


def test_once_fires_once_however_late(hands):
    make(timing=Timing(once=START + timedelta(minutes=2)))
    hands.move(hours=3)

    assert rounds() == 1
    assert fired() == ["12:02"]
    hands.move(days=400)
    assert rounds() == 0


def test_parameters_that_no_longer_fit_say_why_and_hold_nothing_up(hands):
    broken = make("broken")
    make("sound", pipeline="other")
    schema = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
    Snapshot.objects.filter(pipeline=broken.pipeline).update(parameters_schema=schema)
    hands.move(minutes=1)

    assert rounds() == 2
    broken.refresh_from_db()
    assert "rows: The pipeline has no such parameter" in broken.problem
    assert ScheduleFire.objects.get(schedule=broken).problem == broken.problem
    assert "rows" in scheduling.problem_of(broken)
    assert Run.objects.get().pipeline.name == "other"

    Snapshot.objects.filter(pipeline=broken.pipeline).update(parameters_schema=SCHEMA)
    hands.move(minutes=1)
    assert rounds() == 2
    broken.refresh_from_db()
    assert broken.problem == ""


def test_a_snapshot_nothing_can_read_holds_nothing_up(hands):
    broken = make("broken")
    make("sound", pipeline="other")
    Snapshot.objects.filter(pipeline=broken.pipeline).update(spec={"what": "is this"})
    hands.move(minutes=1)

    assert rounds() == 2
    broken.refresh_from_db()
    assert "ValidationError" in broken.problem
    assert Run.objects.get().pipeline.name == "other"


def test_a_rule_that_can_no_longer_be_read_rests_and_says_so(hands):
    make("broken")
    make("sound", pipeline="other")
    Schedule.objects.filter(name="broken").update(zone="Gone/Away")
    hands.move(minutes=1)

    assert rounds() == 1
    broken = Schedule.objects.get(name="broken")
    assert broken.next_fire_at is None
    assert "Gone/Away" in broken.problem


def test_a_schedule_is_refused_when_its_runs_would_be(hands):
    with pytest.raises(ParameterErrors, match="size"):
        make(parameters={"size": 1})
    with pytest.raises(UsageError, match="would never fire"):
        make(timing=Timing(once=START - timedelta(days=1)))
    make()
    with pytest.raises(Conflict, match="“every-minute” already, of train"):
        make()
    with pytest.raises(UsageError, match="has no step laod"):
        scheduling.make_schedule(
            pipeline=make_snapshot("steps", plan=make_plan(planned("load"))).pipeline,
            name="typo",
            timing=Timing(cron="@daily"),
            parameters={},
            overrides=Overrides(steps={"laod": StepOverride(timeout=1)}),
        )


def test_changing_the_parameters_keeps_the_next_time_and_changing_the_rule_does_not(hands):
    schedule = make()
    before = schedule.next_fire_at
    hands.move(seconds=90)
    make(schedule=schedule, parameters={"rows": 6})
    assert schedule.next_fire_at == before
    make(schedule=schedule, timing=Timing(cron="@hourly"))

    assert f"{schedule.next_fire:%H:%M}" == "13:00"


def test_run_now_is_beside_the_times(hands):
    schedule = make()
    run = scheduling.run_now(schedule, by=None, idempotency_key="k")
    assert scheduling.run_now(schedule, by=None, idempotency_key="k") == run

    assert ScheduleFire.objects.get().cause == "hand"
    hands.move(minutes=1)
    assert rounds() == 1
    assert Run.objects.count() == 2


class TestBackfill:
    def test_fills_what_is_missing_of_a_range_of_days(self, hands):
        schedule = make(timing=Timing(cron="0 2 * * *", zone="Europe/Berlin"))
        day = START.date()
        preview = scheduling.preview_backfill(schedule, first=day - timedelta(days=3), last=day + timedelta(days=9))
        assert [f"{moment:%d %H:%M}" for moment in preview.times] == ["20 01:00", "21 01:00", "22 01:00", "23 01:00"]

        runs = scheduling.backfill(schedule, first=day - timedelta(days=3), last=day - timedelta(days=2))
        assert [run.name for run in runs] == [
            "every-minute of 2026-11-20 02:00:00 CET",
            "every-minute of 2026-11-21 02:00:00 CET",
        ]
        preview = scheduling.preview_backfill(schedule, first=day - timedelta(days=3), last=day)
        assert (len(preview.times), preview.done) == (2, 2)
        assert len(scheduling.backfill(schedule, first=day - timedelta(days=3), last=day)) == 2
        assert scheduling.backfill(schedule, first=day - timedelta(days=3), last=day) == []
        assert Run.objects.count() == 4

    def test_tries_again_what_could_not_start(self, hands):
        schedule = make(timing=Timing(cron="*/30 * * * *"))
        Snapshot.objects.update(code_hash="")
        hands.move(minutes=30)
        rounds()
        assert not Run.objects.exists()
        Snapshot.objects.update(code_hash="c" * 64)
        scheduling.backfill(schedule, first=START.date(), last=START.date())

        assert "12:30" in fired()
        assert ScheduleFire.objects.filter(run_id=None).count() == 0

    def test_is_refused_as_a_whole_when_its_runs_would_be(self, hands):
        schedule = make(timing=Timing(cron="@hourly"))
        Snapshot.objects.update(code_hash="")

        with pytest.raises(UsageError, match="was not kept"):
            scheduling.backfill(schedule, first=START.date(), last=START.date())
        assert not ScheduleFire.objects.exists()

    def test_has_a_limit(self, hands):
        schedule = make()
        with pytest.raises(UsageError, match="more than 500"):
            scheduling.preview_backfill(schedule, first=START.date() - timedelta(days=2), last=START.date())
        with pytest.raises(UsageError, match="ends before it begins"):
            scheduling.preview_backfill(schedule, first=START.date(), last=START.date() - timedelta(days=1))


@pytest.mark.django_db(transaction=True)
def test_eight_threads_fire_each_time_once():
    begin = datetime.now(UTC)
    for number in range(3):
        make(
            f"racing-{number}",
            pipeline=f"train-{number}",
            catchup=True,
            timing=Timing(interval=1, start=begin - timedelta(seconds=15), end=begin - timedelta(seconds=1)),
        )
    gate, errors = threading.Barrier(8), []

    def race():
        try:
            gate.wait(10)
            while Schedule.objects.filter(next_fire_at__isnull=False).exists():
                clock.fire_due()
        except Exception as exc:
            errors.append(exc)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []
    keys = list(ScheduleFire.objects.values_list("schedule_id", "fire_at"))
    assert len(keys) == len(set(keys)) == 3 * 15
    assert Run.objects.count() == 3 * 15
    assert set(ScheduleFire.objects.values_list("run_id", flat=True)) == set(Run.objects.values_list("id", flat=True))


def test_a_runner_that_looked_before_another_fired_takes_nothing_and_moves_nothing_back(hands, monkeypatch):
    make(catchup=True)
    hands.move(minutes=3)
    due = schedules.due_schedules(limit=5)
    assert rounds() == 3
    after = Schedule.objects.get().next_fire_at
    monkeypatch.setattr(schedules, "due_schedules", lambda limit: due)

    assert rounds(3) == 0
    assert Schedule.objects.get().next_fire_at == after
    assert Run.objects.count() == 3
