"""The pages of schedules: make, look, pause, run now, fill in, delete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from stepwell.accounts.actions import change_settings
from stepwell.accounts.models import AuditEvent, User
from stepwell.core.plan import Overrides, PipelineSpec, Plan, PlannedStep, Source, StepOverride
from stepwell.core.timing import Timing
from stepwell.execution import clock, scheduling
from stepwell.pipelines.models import Pipeline, Schedule, ScheduleFire, Snapshot
from stepwell.runs.models import Run
from tests.factories import SCHEMA, make_pipeline
from tests.web.page import form_of, read


@pytest.fixture
def pipeline(db: None) -> Pipeline:
    pipeline = make_pipeline("train")
    source = Source(module="train", qualname="train")
    steps = [PlannedStep(invocation_id=name, name=name, source=source) for name in ("load", "fit")]
    plan = Plan(pipeline="train", source=source, steps=steps)
    spec = PipelineSpec(name="train", source=source, parameters_schema=SCHEMA, plan=plan)
    Snapshot.objects.update(spec=spec.model_dump(mode="json"))
    return pipeline


@pytest.fixture
def schedule(pipeline: Pipeline, bob: User) -> Schedule:
    return scheduling.make_schedule(
        pipeline=pipeline,
        name="nightly",
        timing=Timing(cron="30 2 * * *", zone="Europe/Berlin"),
        parameters={"epochs": 3},
        overrides=Overrides(steps={"fit": StepOverride(timeout=60)}),
        by=bob,
    )


def sent(client: Client, url: str = "/schedules/new/?pipeline=train", **changes: str) -> dict[str, str]:
    """Return what a browser would send of the form, with some fields changed."""
    page = read(client.get(url))
    page.one("form", class_="schedule-form").attributes["action"] = "here"
    return {**form_of(page, "here"), **changes}


def make(client: Client, **changes: str) -> object:
    return client.post("/schedules/new/", sent(client, **changes))


def test_form_makes_what_it_says(as_bob: Client, pipeline: Pipeline) -> None:
    response = make(
        as_bob,
        name="nightly",
        cron="30 2 * * 1-5",
        zone="Europe/Berlin",
        catchup="on",
        **{"p:epochs": "3", "o:fit:timeout": "5m"},
    )

    made = Schedule.objects.get()
    assert response["Location"] == f"/schedules/{made.id}/"
    assert made.timing == Timing(cron="30 2 * * 1-5", zone="Europe/Berlin")
    assert (made.catchup, made.parameters) == (True, {"epochs": 3})
    assert made.parsed_overrides == Overrides(steps={"fit": StepOverride(timeout=300)})
    assert made.created_by_name == "bob"
    assert AuditEvent.objects.get(action="schedule.created").object_name == "nightly"


def test_an_interval_counts_from_its_start_in_the_zone_of_the_form(as_bob: Client, pipeline: Pipeline) -> None:
    make(as_bob, kind="interval", every="2h", start="2026-07-01T12:00", zone="Europe/Berlin")

    assert Schedule.objects.get().timing == Timing(
        interval=7200, start=datetime(2026, 7, 1, 10, tzinfo=UTC), zone="Europe/Berlin"
    )


@pytest.mark.parametrize("zone", ["Etc/GMT+5", "Europe/Berlin", "CET"])
def test_saving_a_form_as_it_stands_changes_nothing(as_bob: Client, pipeline: Pipeline, zone: str) -> None:
    timing = Timing(interval=5400, start=datetime(2026, 7, 1, 10, 0, 7, tzinfo=UTC), zone=zone)
    schedule = scheduling.make_schedule(
        pipeline=pipeline,
        name="kept",
        timing=timing,
        catchup=False,
        parameters={"epochs": 3},
        overrides=Overrides(steps={"fit": StepOverride(timeout=60)}, variant={"options": {"enable_cache": False}}),
    )
    before = schedule.next_fire_at
    url = f"/schedules/{schedule.id}/edit/"
    assert as_bob.post(url, sent(as_bob, url)).status_code == 302

    stored = Schedule.objects.get()
    assert (stored.timing, stored.next_fire_at, stored.parameters) == (timing, before, {"epochs": 3})
    assert stored.parsed_overrides == schedule.parsed_overrides


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"cron": "61 * * * *"}, "cron", "“61 * * * *” cannot be read"),
        ({"name": " "}, "name", "Give it a name"),
        ({"zone": "Mars/Base"}, "zone", "“Mars/Base” is not a time zone"),
        ({"kind": "interval", "every": "often", "start": "2026-07-01T12:00"}, "every", "“often” is not a duration"),
        ({"kind": "interval", "every": "2h"}, "start", "needs a time to count from"),
        ({"kind": "once", "once": "soon"}, "once", "“soon” is not a time"),
        ({"start": "2030-01-02T00:00", "end": "2030-01-01T00:00"}, "end", "ends before it starts"),
        ({"start": "9999-12-31T23:59"}, "start", "year 9999 is out of range"),
    ],
)
def test_a_field_that_does_not_fit_says_so_and_keeps_what_was_written(
    as_bob: Client, pipeline: Pipeline, changes: dict[str, str], field: str, words: str
) -> None:
    page = read(make(as_bob, **changes), status=422)

    assert words in page.one("p", id=f"f-{field}-e").text
    assert page.one("input", id=f"f-{field}")["value"] == changes.get(field, "").strip()
    assert not Schedule.objects.exists()


def test_a_parameter_that_does_not_fit_is_said_beside_it(as_bob: Client, pipeline: Pipeline) -> None:
    page = read(make(as_bob, **{"p:epochs": "many"}), status=422)

    assert "many" in page.one("main").text
    assert not Schedule.objects.exists()


def test_a_time_in_the_past_and_a_name_that_is_taken_are_refused(as_bob: Client, schedule: Schedule) -> None:
    page = read(make(as_bob, kind="once", once="2020-01-01T00:00", name="other"), status=422)
    assert "would never fire" in page.one("main").text

    page = read(make(as_bob, name="nightly"), status=422)
    assert "already, of train" in page.one("p", id="f-name-e").text


def test_preview_stores_nothing_and_shows_the_times(as_bob: Client, pipeline: Pipeline) -> None:
    page = read(make(as_bob, preview="1", cron="30 2 * * *", zone="Europe/Berlin"))

    aside = page.one("aside", id="schedule-preview")
    assert len(aside.all("li")) == 5
    assert "At 02:30 every day" in aside.text
    assert not Schedule.objects.exists()


def test_every_pipeline_can_be_chosen(as_bob: Client, pipeline: Pipeline) -> None:
    options = read(as_bob.get("/schedules/new/")).all("option")

    assert [(option["value"], option.text) for option in options] == [("train", "train")]
    assert as_bob.get("/schedules/new/?pipeline=nothing").status_code == 404


def test_page_shows_the_next_five_times_in_the_readers_zone_and_utc(
    as_charlie: Client, charlie: User, schedule: Schedule
) -> None:
    User.objects.filter(pk=charlie.pk).update(time_zone="Asia/Tokyo")
    page = read(as_charlie.get(f"/schedules/{schedule.id}/"))
    rows = page.all("section", class_="card")[0].one("tbody").all("tr")

    assert len(rows) == 5
    for row, moment in zip(rows, scheduling.next_times(schedule), strict=True):
        yours, utc, own, _ = (cell.text for cell in row.all("td"))
        assert utc == f"{moment:%a %Y-%m-%d %H:%M:%S} UTC"
        assert yours.endswith("JST")
        assert f"{moment + timedelta(hours=9):%H:%M:%S}" in yours
        assert "02:30:00" in own
    assert "epochs" in page.one("main").text


def test_parameters_that_no_longer_fit_say_why_on_the_page(as_bob: Client, schedule: Schedule) -> None:
    Snapshot.objects.update(parameters_schema={"type": "object", "properties": {}})
    page = read(as_bob.get(f"/schedules/{schedule.id}/"))

    assert "epochs: The pipeline has no such parameter" in page.one(role="alert").text
    assert page.one("h1").text == "nightly"
    assert "Cannot start" in page.one("main").text
    assert (
        as_bob.post(f"/schedules/{schedule.id}/edit/", sent(as_bob, f"/schedules/{schedule.id}/edit/")).status_code
        == 302
    )
    schedule.refresh_from_db()
    assert schedule.parameters == {}


def test_history_links_the_runs_and_tells_what_failed(as_charlie: Client, schedule: Schedule) -> None:
    Schedule.objects.update(next_fire_at=1_700_000_000)
    clock.fire_due()
    ScheduleFire.objects.create(schedule=schedule, fire_at=1_600_000_000, problem="It did not fit.")
    page = read(as_charlie.get(f"/schedules/{schedule.id}/"))
    history = page.one("section", id="schedule-fires")

    run = Run.objects.get()
    assert history.has("a", href=f"/runs/{run.number}/")
    assert "It did not fit." in history.text
    assert "2023-11-14 22:13:20 UTC" in history.text
    assert read(as_charlie.get(f"/runs/{run.number}/")).has("a", href=f"/schedules/{schedule.id}/")


def test_a_time_that_no_runner_took_is_said(as_charlie: Client, schedule: Schedule) -> None:
    Schedule.objects.update(next_fire_at=int(datetime.now(UTC).timestamp()) - 60)

    assert "no runner took it" in read(as_charlie.get(f"/schedules/{schedule.id}/")).one("main").text
    assert "Late" in read(as_charlie.get("/schedules/")).one("tbody").text


def test_pause_and_resume(as_bob: Client, schedule: Schedule) -> None:
    url = f"/schedules/{schedule.id}/"
    as_bob.post(f"{url}pause/", form_of(read(as_bob.get(url)), f"{url}pause/"))
    schedule.refresh_from_db()
    assert schedule.is_paused
    assert "None while it is paused" in read(as_bob.get(url)).one("main").text

    as_bob.post(f"{url}pause/", form_of(read(as_bob.get(url)), f"{url}pause/"))
    schedule.refresh_from_db()
    assert not schedule.is_paused
    assert AuditEvent.objects.filter(action__in=["schedule.paused", "schedule.resumed"]).count() == 2


def test_run_now_sent_twice_starts_one_run(as_bob: Client, bob: User, schedule: Schedule) -> None:
    url = f"/schedules/{schedule.id}/"
    form = form_of(read(as_bob.get(url)), f"{url}runs/")
    for _ in range(2):
        response = as_bob.post(f"{url}runs/", form)

    run = Run.objects.get()
    assert response["Location"] == f"/runs/{run.number}/"
    assert (run.trigger, run.actor, run.parameters["epochs"]) == ("schedule", bob, 3)
    assert run.parsed_overrides == schedule.parsed_overrides


def test_a_range_is_shown_before_it_is_filled_in(as_bob: Client, schedule: Schedule) -> None:
    url = f"/schedules/{schedule.id}/backfill/"
    today = datetime.now(UTC).date()
    days = {"first": str(today - timedelta(days=4)), "last": str(today - timedelta(days=2))}

    page = read(as_bob.get(url, days))
    assert "3 runs will start" in page.one("main").text
    assert Run.objects.count() == 0
    assert as_bob.post(url, form_of(page, url)).status_code == 302
    assert Run.objects.count() == 3
    page = read(as_bob.get(url, days))
    assert "3 of its times had a run already" in page.one("main").text
    assert "disabled" in page.all("button")[-1].attributes


@pytest.mark.parametrize("days", [{"first": "x", "last": "y"}, {"first": "2026-01-02", "last": "2026-01-01"}])
def test_a_range_that_makes_no_sense_is_refused(as_bob: Client, schedule: Schedule, days: dict[str, str]) -> None:
    for response in (
        as_bob.get(f"/schedules/{schedule.id}/backfill/", days),
        as_bob.post(f"/schedules/{schedule.id}/backfill/", days),
    ):
        assert read(response, status=422).has(role="alert")
    assert not Run.objects.exists()


def test_delete_asks_first(as_bob: Client, schedule: Schedule) -> None:
    url = f"/schedules/{schedule.id}/deletion/"
    assert "Delete the schedule nightly?" in read(as_bob.get(url)).one("h1").text
    assert Schedule.objects.exists()
    as_bob.post(url)
    assert not Schedule.objects.exists()


def test_the_list_names_rule_and_state(as_charlie: Client, schedule: Schedule, django_assert_max_num_queries) -> None:
    with django_assert_max_num_queries(12):
        page = read(as_charlie.get("/schedules/"))

    row = page.one("tbody").one("tr").text
    assert "nightly train 30 2 * * * At 02:30 every day On" in row
    assert page.one("nav", class_="rail").has("a", href="/schedules/")


def test_a_rule_nothing_can_read_any_more_breaks_no_page(as_bob: Client, schedule: Schedule) -> None:
    Schedule.objects.update(cron="what is this", zone="Gone/Away", next_fire_at=None)

    for url in (f"/schedules/{schedule.id}/", "/schedules/"):
        assert "is not a time zone" in read(as_bob.get(url)).one("main").text
    url = f"/schedules/{schedule.id}/edit/"
    assert as_bob.post(url, sent(as_bob, url, cron="@daily", zone="UTC")).status_code == 302
    schedule.refresh_from_db()
    assert schedule.timing == Timing(cron="@daily")
    assert schedule.next_fire


def test_an_edit_leaves_alone_what_is_paused_or_fired_meanwhile(as_bob: Client, schedule: Schedule) -> None:
    scheduling.schedules.pause(Schedule.objects.get())
    Schedule.objects.update(last_fire_at=5, next_fire_at=7)
    scheduling.make_schedule(
        schedule=schedule, pipeline=schedule.pipeline, name="renamed", timing=schedule.timing, parameters={}
    )

    stored = Schedule.objects.get()
    assert (stored.name, stored.is_paused, stored.last_fire_at, stored.next_fire_at) == ("renamed", True, 5, 7)


def test_a_viewer_sees_no_way_to_change_anything(as_charlie: Client, schedule: Schedule) -> None:
    for url in ("/schedules/", f"/schedules/{schedule.id}/"):
        page = read(as_charlie.get(url)).one("main")
        assert not page.has("form")
        assert "Change" not in page.text


def test_options_that_the_settings_give_are_shown_and_not_stored(as_bob: Client, pipeline: Pipeline) -> None:
    change_settings(values={"step_timeout_seconds": 300}, by=None)

    page = read(as_bob.get("/schedules/new/?pipeline=train"))
    assert page.one("input", name="o:fit:timeout")["value"] == "5m"
    assert "from settings" in page.text
    make(as_bob, name="nightly", cron="0 2 * * *")

    assert Schedule.objects.get().parsed_overrides == Overrides()
