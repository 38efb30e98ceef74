"""The list of runs: filters in the address, pages by key, and a bounded number of queries."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings
from stepwell.web import run_charts, run_list
from tests import factories
from tests.web.page import Element, read

HOSTILE = "<img src=x onerror=alert(1)>"


def numbers(page: Element) -> list[int]:
    """The runs of the page, in its order."""
    rows = page.one("tbody").all("tr") if page.has("tbody") else []
    return [int(row.one("a", class_="table__link")["href"].split("/")[2]) for row in rows]


def all_pages(client: Client, path: str | None) -> list[int]:
    seen: list[int] = []
    while path:
        page = read(client.get(path))
        seen += numbers(page)
        following = page.all("a", rel="next")
        path = f"/runs/{following[0]['href']}" if following else None
    return seen


def test_runs_are_listed_newest_first_with_state_steps_and_time(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline("train-model")
    factories.make_run(pipeline=pipeline, status="completed", steps=2, seconds=372, actor_name="ana", tags=["gpu"])
    factories.make_run(pipeline=pipeline, status="queued")

    page = read(as_charlie.get("/runs/"))

    assert numbers(page) == [2, 1]
    newest, oldest = page.one("tbody").all("tr")
    assert newest.one("span", class_="state").text == "Queued"
    for text in ("Completed", "train-model #1", "gpu", "2 completed", "ana", "browser", "6 m 12 s"):
        assert text in oldest.text


def test_signing_in_is_needed(client: Client, db: None) -> None:
    assert client.get("/runs/")["Location"].startswith("/login/")


def test_the_list_answers_reads_only(as_bob: Client) -> None:
    assert as_bob.post("/runs/").status_code == 405


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=failed", [3]),
        ("status=failed&status=running", [3, 2]),
        ("pipeline=nightly-report", [2]),
        ("trigger=schedule", [2]),
        ("tag=gpu", [1]),
        ("tag=gp", []),
        ("text=NIGHTLY", [2]),
        ("text=%233", [3]),
        ("text=gpu", [1]),
        ("since=2h", [3, 2]),
        ("status=failed&tag=gpu", []),
    ],
)
def test_filters_choose_runs(as_charlie: Client, query: str, expected: list[int]) -> None:
    train = factories.make_pipeline("train-model")
    report = factories.make_pipeline("nightly-report")
    old = timezone.now() - timedelta(hours=5)
    factories.make_run(pipeline=train, status="completed", tags=["gpu"], started=old)
    factories.make_run(pipeline=report, status="running", trigger="schedule")
    factories.make_run(pipeline=train, status="failed")

    assert numbers(read(as_charlie.get(f"/runs/?{query}"))) == expected


@pytest.mark.parametrize(
    "query", ["status=nope", "trigger=nope", "pipeline=nope", "since=ten", "after=1", "since=9e99d"]
)
def test_a_filter_that_does_not_exist_is_refused_in_words(as_charlie: Client, query: str) -> None:
    page = read(as_charlie.get(f"/runs/?{query}"), status=422)

    assert page.one("h1").text == "This does not fit"


@pytest.mark.parametrize("text", ["%", "_", "a\x00b", "'", '"', HOSTILE, "x" * 5000, "#", "٣"])
def test_any_text_can_be_looked_for(as_charlie: Client, text: str) -> None:
    factories.make_run(name="train-1")

    response = as_charlie.get("/runs/", {"text": text})

    assert numbers(read(response)) == []


def test_each_filter_in_force_is_a_chip_that_leaves_the_others(as_charlie: Client) -> None:
    factories.make_run(status="failed", tags=["gpu"])

    page = read(as_charlie.get("/runs/?status=failed&tag=gpu&since=7d"))

    chips = page.all("span", class_="chip")
    assert [chip.text for chip in chips] == ["Failed", "tag: gpu", "last 7 days"]
    without_tag = chips[1].one("a")
    assert without_tag["href"] == "?status=failed&since=7d"
    assert without_tag["aria-label"] == "Remove filter tag: gpu"


def test_chips_and_text_say_the_same(as_charlie: Client) -> None:
    factories.make_pipeline("train-model")
    address = "/runs/?status=failed&pipeline=train-model&tag=two+words&since=7d&text=abc"
    text = read(as_charlie.get(address)).one("div", class_="filters").one("input", name="q")["value"]

    assert text == 'status:failed pipeline:train-model tag:"two words" since:7d abc'
    assert as_charlie.get("/runs/", {"q": text})["Location"] == address
    assert as_charlie.get("/runs/", {"q": "", "sort": "-took"})["Location"] == "/runs/?sort=-took"
    assert as_charlie.get("/runs/", {"q": ""})["Location"] == "/runs/?view=all"


@pytest.mark.parametrize(
    ("tag", "word"),
    [
        ("//host/a", 'tag:"//host/a"'),
        ('6" pipe', 'tag:"6"" pipe"'),
        ('"', 'tag:""""'),
        ("a" * 199 + " b", "tag:" + "a" * 199),
    ],
)
def test_a_tag_of_odd_text_is_spelled_so_that_it_is_read_back(as_charlie: Client, tag: str, word: str) -> None:
    page = read(as_charlie.get("/runs/", {"tag": tag}))
    text = page.one("div", class_="filters").one("input", name="q")["value"]

    assert text == word
    kept = tag[:200].rstrip()
    assert as_charlie.get("/runs/", {"q": text})["Location"] == f"/runs/?{urlencode({'tag': kept})}"


def test_a_line_too_long_to_be_read_whole_is_refused(as_charlie: Client) -> None:
    page = read(as_charlie.get("/runs/", {"q": "tag:a " * 4000}), status=422)

    assert "They may be 20000" in page.text


def test_text_with_a_filter_there_is_not_is_refused_in_words(as_charlie: Client) -> None:
    page = read(as_charlie.get("/runs/", {"q": "state:failed"}), status=422)

    assert "There is no filter “state:”." in page.text
    assert as_charlie.get("/runs/", {"q": '"state:failed"'})["Location"] == "/runs/?text=state%3Afailed"


def test_a_menu_adds_a_filter_and_leaves_the_others(as_charlie: Client) -> None:
    page = read(as_charlie.get("/runs/?status=failed&tag=gpu&after="))

    added = [link["href"] for link in page.all("a") if link.text == "Queued"]
    assert added == ["?status=failed&status=queued&tag=gpu"]


def test_pages_follow_one_another_without_gap_or_repeat(as_charlie: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_list, "PAGE_ROWS", 2)
    pipeline = factories.make_pipeline()
    for _ in range(5):
        factories.make_run(pipeline=pipeline)
    assert all_pages(as_charlie, "/runs/?status=completed") == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("started", [1, 2, 3, 4, 5]),
        ("-took", [5, 3, 1, 4, 2]),
        ("took", [2, 4, 1, 3, 5]),
        ("by", [5, 4, 2, 3, 1]),
        ("-by", [1, 3, 2, 4, 5]),
        ("state", [4, 2, 1, 5, 3]),
        ("-state", [3, 5, 1, 2, 4]),
    ],
)
def test_every_order_is_paged_without_gap_or_repeat(
    as_charlie: Client, monkeypatch: pytest.MonkeyPatch, sort: str, expected: list[int]
) -> None:
    monkeypatch.setattr(run_list, "PAGE_ROWS", 2)
    pipeline = factories.make_pipeline()
    made = [
        ("completed", "b", 30),
        ("completed", "", 10),
        ("running", "b", 30),
        ("cancelled", "", 10),
        ("failed", "", 60),
    ]
    for status, by, seconds in made:
        factories.make_run(status=status, pipeline=pipeline, actor_name=by, took_seconds=seconds)

    assert all_pages(as_charlie, f"/runs/?sort={sort}") == expected


@pytest.mark.parametrize(
    "query",
    ["sort=name", "sort=took&after=x", "sort=took&after=01890000-0000-7000-8000-000000000000~nan", "cols=secret"],
)
def test_an_order_page_or_column_there_is_not_is_refused(as_charlie: Client, query: str) -> None:
    assert as_charlie.get(f"/runs/?{query}").status_code == 422


def test_a_person_chooses_the_columns(as_charlie: Client) -> None:
    factories.make_run(name="my-run", actor_name="ana")

    page = read(as_charlie.get("/runs/?col=name&col=took"))

    assert [heading.text for heading in page.one("thead").all("th")] == ["State", "Pipeline", "Name", "Took"]
    assert "my-run" in page.one("tbody").text
    assert "ana" not in page.one("tbody").text


def test_the_list_goes_out_as_csv_without_formulas(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline("train")
    factories.make_run(pipeline=pipeline, name='=HYPERLINK("x")', tags=["gpu"], took_seconds=60)
    factories.make_run(pipeline=pipeline, status="failed", status_reason="-1+2")

    response = as_charlie.get("/runs/export.csv?sort=started")
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))

    assert "attachment" in response["Content-Disposition"]
    assert [row["number"] for row in rows] == ["1", "2"]
    assert rows[0]["name"] == '\'=HYPERLINK("x")'
    assert rows[1]["reason"] == "'-1+2"
    assert (rows[0]["tags"], rows[0]["seconds"]) == ("gpu", "60.0")


def test_changed_rows_come_alone(as_charlie: Client) -> None:
    run = factories.make_run(status="failed")
    factories.make_run()

    page = read(as_charlie.get("/runs/rows/", {"id": [str(run.id), "nonsense"]}))

    assert [row["data-run"] for row in page.all("tr")] == [str(run.id)]


def test_no_runs_and_no_match_are_said_apart(as_charlie: Client) -> None:
    assert "No runs yet" in read(as_charlie.get("/runs/")).text

    factories.make_run()

    assert "No run fits these filters" in read(as_charlie.get("/runs/?status=failed")).text


@pytest.mark.parametrize("ref", ["#1", "1"])
def test_the_search_box_jumps_to_a_run_named_exactly(as_charlie: Client, ref: str) -> None:
    factories.make_run()

    assert as_charlie.get("/runs/", {"text": ref, "jump": "1"})["Location"] == "/runs/1/"


def test_the_search_box_lists_what_is_no_single_run(as_charlie: Client) -> None:
    factories.make_run(pipeline=factories.make_pipeline("train-model"))

    assert numbers(read(as_charlie.get("/runs/", {"text": "train", "jump": "1"}))) == [1]


def test_hostile_names_are_text(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline(HOSTILE)
    factories.make_run(pipeline=pipeline, name=HOSTILE, tags=[HOSTILE], actor_name=HOSTILE)

    page = read(as_charlie.get("/runs/", {"tag": HOSTILE}))

    assert numbers(page) == [1]
    assert not page.all("img")
    assert HOSTILE in page.text


def test_queries_stay_few_and_leave_long_columns_alone(as_charlie: Client, django_assert_max_num_queries) -> None:
    for _ in range(12):
        factories.make_run(status="failed", steps={"load": "completed", "train": "failed"})
    InstanceSettings.load()

    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        django_assert_max_num_queries(12),
    ):
        as_charlie.get("/runs/")

    asked = " ".join(query["sql"] for query in queries)
    assert "error_traceback" not in asked
    assert '"plan"' not in asked
    assert '"spec"' not in asked


def test_only_operators_may_run_a_pipeline_from_here(as_bob: Client, as_charlie: Client) -> None:
    assert "Run a pipeline" in read(as_bob.get("/runs/")).text
    assert "Run a pipeline" not in read(as_charlie.get("/runs/")).text


def test_htmx_gets_the_rows_alone(as_charlie: Client) -> None:
    factories.make_run()

    page = read(as_charlie.get("/runs/", headers={"HX-Request": "true", "HX-Target": "runs-rows"}))

    assert numbers(page) == [1]
    assert not page.has("html")


def test_the_list_is_shown_as_bars_by_pipeline_or_as_dots(as_charlie: Client) -> None:
    train, report = factories.make_pipeline("train"), factories.make_pipeline("report")
    for number, (pipeline, status) in enumerate([(train, "completed"), (train, "failed"), (report, "completed")], 1):
        factories.make_run(pipeline=pipeline, status=status, number=number, seconds=60 * number)

    bars = read(as_charlie.get("/runs/?show=timeline"))
    dots = read(as_charlie.get("/runs/?show=scatter&status=completed"))

    assert [lane.one("span").text for lane in bars.all("div", class_="lanes__lane")][:2] == ["report", "train"]
    assert len(bars.one("section", class_="lanes").all("rect")) == 3
    assert [dot["data-status"] for dot in dots.one("section", class_="lanes").all("circle")] == ["completed"] * 2
    titles = [mark.one("title").text for mark in dots.one("section", class_="lanes").all("a")]
    assert "train #1: completed, 1 m 00 s" in titles
    assert not bars.has("table", class_="table--runs")
    table = next(link for link in dots.all("a") if link.text == "Table")["href"]
    assert table == "?status=completed"
    assert "nothing to draw" in read(as_charlie.get("/runs/?show=scatter&text=zzz")).text


def test_a_picture_of_many_runs_says_that_it_shows_the_first(
    as_charlie: Client, monkeypatch, django_assert_max_num_queries
) -> None:
    monkeypatch.setattr(run_charts, "MOST_RUNS", 3)
    pipeline = factories.make_pipeline("train")
    for number in range(1, 6):
        factories.make_run(pipeline=pipeline, number=number)

    with django_assert_max_num_queries(12):
        page = read(as_charlie.get("/runs/?show=timeline"))

    assert "3 runs, the first of 5" in page.text


def test_the_count_beside_the_rows_is_never_older_than_they_are(as_charlie: Client) -> None:
    assert read(as_charlie.get("/runs/?view=all")).one("h1").text == "Runs"
    factories.make_run(number=1)
    factories.make_run(number=2)

    page = as_charlie.get("/runs/?view=all")

    assert page.context["total"] == len(page.context["rows"]) == 2
