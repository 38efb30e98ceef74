"""The schedules of one pipeline, on its page."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent, InstanceSettings, User
from stepwell.core.timing import Timing
from stepwell.pipelines import schedules
from stepwell.pipelines.models import Pipeline, Schedule
from stepwell.runs.models import Run
from stepwell.web import pipeline_schedules
from tests import factories
from tests.web.page import form_of, read

URL = "/pipelines/train/schedules/"


@pytest.fixture
def pipeline(db: None) -> Pipeline:
    return factories.make_pipeline("train")


def make_schedule(pipeline: Pipeline, name: str = "nightly", zone: str = "Europe/Berlin") -> Schedule:
    timing = Timing(cron="30 2 * * *", zone=zone)
    return schedules.put_schedule(pipeline=pipeline, name=name, timing=timing, parameters={})


def test_each_schedule_shows_its_next_five_times_in_three_zones(
    as_charlie: Client, charlie: User, pipeline: Pipeline
) -> None:
    charlie.time_zone = "Asia/Tokyo"
    charlie.save(update_fields=["time_zone"])
    schedule = make_schedule(pipeline)
    make_schedule(factories.make_pipeline("other"), "not of it")

    page = read(as_charlie.get(URL))

    assert [head.text for head in page.one("main").all("h2")] == ["nightly"]
    table = page.one("table")
    assert [head.text for head in table.all("th")] == ["Yours", "UTC", "Europe/Berlin", "In"]
    assert len(table.one("tbody").all("tr")) == 5
    cells = [cell.text for cell in table.one("tbody").all("tr")[0].all("td")]
    assert cells[0].endswith("JST")
    assert cells[1].endswith("UTC")
    assert "02:30:00 CE" in cells[2]
    assert page.has("a", href=f"/schedules/{schedule.id}/#history")
    assert page.one("a", href=URL, aria_current="page").text == "Schedules"


def test_an_operator_pauses_and_resumes_and_stays_on_the_page(as_bob: Client, pipeline: Pipeline) -> None:
    schedule = make_schedule(pipeline)
    place = f"/schedules/{schedule.id}/pause/"

    assert as_bob.post(place, form_of(read(as_bob.get(URL)), place))["Location"] == URL
    assert "nightly is paused." in read(as_bob.get(URL)).one("div", id="messages").text
    page = read(as_bob.get(URL))
    assert "while it is paused" in page.text
    assert Schedule.objects.get().is_paused
    as_bob.post(place, form_of(page, place))

    assert not Schedule.objects.get().is_paused
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["schedule.paused", "schedule.resumed"]


def test_pausing_leads_to_no_other_site(as_bob: Client, pipeline: Pipeline) -> None:
    schedule = make_schedule(pipeline)

    sent = as_bob.post(f"/schedules/{schedule.id}/pause/", {"paused": "yes", "next": "https://evil.example/"})

    assert sent["Location"] == "/"


def test_an_operator_runs_one_now_and_once(as_bob: Client, pipeline: Pipeline) -> None:
    place = f"/schedules/{make_schedule(pipeline).id}/runs/"
    sent = form_of(read(as_bob.get(URL)), place)

    assert as_bob.post(place, sent)["Location"] == "/runs/1/"
    as_bob.post(place, sent)

    assert Run.objects.count() == 1


def test_a_viewer_gets_no_buttons(as_charlie: Client, pipeline: Pipeline) -> None:
    make_schedule(pipeline)

    main = read(as_charlie.get(URL)).one("main")

    assert not main.has("button")
    assert not main.has("form")


@pytest.mark.parametrize(("who", "words"), [("as_bob", "Make one here"), ("as_charlie", "An operator makes one here")])
def test_without_a_schedule_it_says_how_to_make_one(
    who: str, words: str, pipeline: Pipeline, request: pytest.FixtureRequest
) -> None:
    page = read(request.getfixturevalue(who).get(URL)).one("main")

    assert words in page.text
    assert "with_options(schedule=…)" in page.text
    makes = page.one(class_="empty").has("a", href="/schedules/new/?pipeline=train")
    assert makes == (who == "as_bob")


def test_pages_follow_one_another(as_bob: Client, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_schedules, "PAGE", 2)
    for name in "abc":
        make_schedule(pipeline, name)

    first = read(as_bob.get(URL))
    second = read(as_bob.get(URL + first.one("a", rel="next")["href"]))

    assert [head.text for head in second.one("main").all("h2")] == ["c"]
    assert second.one("a", href=URL, class_="btn").text == "First page"


@pytest.mark.parametrize("n", [1, 12])
def test_queries_do_not_grow(as_bob: Client, pipeline: Pipeline, django_assert_num_queries, n: int) -> None:
    for index in range(n):
        make_schedule(pipeline, f"s{index}")
    InstanceSettings.load()

    with django_assert_num_queries(11):
        as_bob.get(URL)


def test_a_rule_that_cannot_be_read_any_more_says_so(as_bob: Client, pipeline: Pipeline) -> None:
    make_schedule(pipeline)
    Schedule.objects.update(cron="61 * * * *")

    assert "cannot be read" in read(as_bob.get(URL)).text
