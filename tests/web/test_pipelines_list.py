"""The list of pipelines."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import InstanceSettings, User
from stepwell.core.timing import Timing
from stepwell.pipelines import schedules
from stepwell.pipelines.models import Pipeline, Schedule
from stepwell.web import pipelines, present
from tests import factories
from tests.web.page import read


def make_schedule(pipeline: Pipeline, name: str, cron: str) -> Schedule:
    return schedules.put_schedule(pipeline=pipeline, name=name, timing=Timing(cron=cron), parameters={})


def test_pipelines_are_listed_by_name_with_their_latest_run(as_charlie: Client) -> None:
    factories.make_pipeline("b-report", docstring="Numbers of the day.\n\nMore.")
    train = factories.make_pipeline("a-train")
    factories.make_run(pipeline=train, status="failed")

    rows = read(as_charlie.get("/pipelines/")).one("tbody").all("tr")

    assert [row.one("a", class_="table__link").text for row in rows] == ["a-train", "b-report"]
    assert "Failed" in rows[0].text
    assert "Numbers of the day." in rows[1].text
    assert "never ran" in rows[1].text


def test_an_empty_list_says_how_to_register(as_charlie: Client) -> None:
    assert "stepwell register FILE" in read(as_charlie.get("/pipelines/")).text


def test_pages_of_pipelines_follow_one_another(as_charlie: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "PAGE_ROWS", 2)
    for name in "abc":
        factories.make_pipeline(name)

    first = read(as_charlie.get("/pipelines/"))
    second = read(as_charlie.get(f"/pipelines/{first.one('a', rel='next')['href']}"))

    assert [link.text for link in second.all("a", class_="table__link")] == ["c"]
    assert not second.has("a", rel="next")


def test_the_list_says_what_runs_next_and_who_registered_the_code(as_charlie: Client, charlie: User) -> None:
    charlie.time_zone = "Asia/Tokyo"
    charlie.save(update_fields=["time_zone"])
    soon = make_schedule(factories.make_pipeline("a-soon", registered_by="ana (command line)"), "often", "*/5 * * * *")
    make_schedule(soon.pipeline, "seldom", "0 0 1 1 *")
    rests = make_schedule(factories.make_pipeline("b-rests"), "resting", "0 * * * *")
    schedules.pause(rests)
    factories.make_pipeline("c-alone")

    rows = read(as_charlie.get("/pipelines/")).one("tbody").all("tr")

    link = rows[0].one("a", href=f"/schedules/{soon.id}/")
    assert link["title"] == "often"
    assert link.one("time")["title"].startswith(present.moment(soon.next_fire).exact[:10])
    assert " JST · " in link.one("time")["title"]
    assert rows[1].one("a", href="/pipelines/b-rests/schedules/").text == "paused"
    assert [row.all("td")[4].text for row in rows] == ["ana", "–", "–"]
    assert rows[0].all("td")[4]["title"] == "ana (command line)"
    assert rows[2].all("td")[3].text == "–"


def test_a_pipeline_with_one_schedule_on_is_not_paused(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline("train")
    schedules.pause(make_schedule(pipeline, "resting", "0 * * * *"))
    on = make_schedule(pipeline, "on", "0 0 1 1 *")

    row = read(as_charlie.get("/pipelines/")).one("tbody")

    assert row.has("a", href=f"/schedules/{on.id}/")
    assert "paused" not in row.text


@pytest.mark.parametrize("n", [1, 12])
def test_queries_of_the_list_do_not_grow(as_charlie: Client, django_assert_num_queries, n: int) -> None:
    for index in range(n):
        pipeline = factories.make_pipeline()
        make_schedule(pipeline, f"s{index}", "0 * * * *")
        for _ in range(3):
            factories.make_run(pipeline=pipeline)
    InstanceSettings.load()

    with django_assert_num_queries(7):
        as_charlie.get("/pipelines/")
