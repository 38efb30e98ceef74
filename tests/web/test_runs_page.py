"""The page of one run: its head, what failed, its steps, and the panel of one of them."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings
from stepwell.core.plan import Retry, StepOptions
from stepwell.runs.models import Run
from tests import factories
from tests.web.page import read
from tests.web.run_pages import failed_run, open_run

HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_the_head_says_what_ran_when_by_whom_and_how_it_went(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline("train-model")
    parent = factories.make_run(pipeline=pipeline)
    run = failed_run(
        pipeline=pipeline,
        actor_name="ana",
        tags=["gpu"],
        trigger="rerun",
        parent=parent,
        rerun_scope="failed",
        changes=[{"what": "epochs", "old": 10, "new": 20}, {"what": "train.timeout", "old": None, "new": 600}],
    )

    page = open_run(as_charlie, run)

    head = page.one("section", id="run-head").text
    assert page.one("title").text == "✗ train-model #2"
    assert page.one("link", rel="icon")["href"] == "/static/icons/favicon-failed.svg"
    for text in (
        "train-model #2",
        "Failed",
        "gpu",
        "by ana",
        "from rerun",
        "6 m 12 s",
        "rerun of #1 , from what failed",
    ):
        assert text in head
    assert "epochs 10 → 20 · train.timeout none → 10 m 00 s" in head
    assert "3 steps: 1 completed, 1 failed, 1 skipped" in head
    assert page.one("section", id="run-head").has("a", href="/runs/1/")


def test_the_card_of_a_failure_says_step_attempt_error_and_place(as_charlie: Client) -> None:
    run = failed_run()

    card = open_run(as_charlie, run).one("div", id="run-failure")

    assert "train attempt 3 of 3 · ValueError: shapes (32,10) and (32,12) not aligned" in card.text
    assert "in train.py:88, score()" in card.text
    assert "Open log at line 2" in card.text
    assert "seen" not in card.text
    assert card.has("a", href=f"/runs/{run.number}/logs/train/3/#L2")


def test_a_pipeline_that_could_not_be_read_says_so(as_charlie: Client) -> None:
    run = factories.make_run(status="failed")
    factories.make_step(run, ":plan", status="failed", kind="plan")

    page = open_run(as_charlie, run)

    assert "reading the pipeline attempt 1 of 1 · ValueError" in page.one("div", id="run-failure").text


def test_a_run_without_failure_has_no_card(as_charlie: Client) -> None:
    page = open_run(as_charlie, factories.make_run(status="completed", steps=2))

    assert "hidden" in page.one("div", id="run-failure").attributes


def test_steps_show_state_attempts_and_why_they_were_skipped(as_charlie: Client) -> None:
    page = open_run(as_charlie, failed_run())

    rows = page.one("table", class_="steps").one("tbody").all("tr")
    assert [row["data-step"] for row in rows] == ["load", "train", "report"]
    assert "Completed: load" in rows[0].text
    assert "Failed: train 3 of 3" in rows[1].text
    assert "skipped train failed" in rows[2].text
    assert [bar["data-status"] for bar in rows[1].all("rect")] == ["failed"] * 3


def test_bars_of_time_are_in_percent_and_inside_the_run(as_charlie: Client) -> None:
    page = open_run(as_charlie, factories.make_run(status="completed", steps=4, seconds=100))

    bars = [row.one("rect") for row in page.one("table", class_="steps").one("tbody").all("tr")]
    starts = [float(bar["x"].removesuffix("%")) for bar in bars]
    assert starts == pytest.approx([0, 25, 50, 75], abs=0.1)
    assert all(float(bar["width"].removesuffix("%")) == pytest.approx(25, abs=0.1) for bar in bars)


def test_a_running_step_shows_its_beat_and_progress_with_what_is_left(as_charlie: Client) -> None:
    run = factories.make_run(status="running")
    start = timezone.now() - timedelta(seconds=60)
    step = factories.make_step(run, "train", status="running", started=start)
    attempt = step.attempts.get()
    attempt.progress = {"done": 25, "total": 100, "message": "epoch 25"}
    attempt.beat_at = start + timedelta(seconds=50)
    attempt.save()

    page = open_run(as_charlie, run)

    assert page.one("table", class_="steps").one("beat-age").one("span").text == "10 s ago"
    bar = page.one("progress")
    assert (bar["value"], bar["max"]) == ("25", "100")
    assert "25 of 100, about 2 m 30 s left" in page.one("p", data_progress=str(attempt.id)).text


def test_a_beat_whose_lease_lapsed_is_called_lost(as_charlie: Client) -> None:
    run = factories.make_run(status="running")
    step = factories.make_step(run, "train", status="running")
    step.attempts.update(beat_at=timezone.now() - timedelta(minutes=5))

    assert "beat 5 m ago Lost" in open_run(as_charlie, run).one("table", class_="steps").text


@pytest.mark.parametrize(
    "progress", [{}, {"done": "x"}, {"done": float(10**300), "total": 0}, [1], {"message": HOSTILE}]
)
def test_odd_progress_does_not_break_the_page(as_charlie: Client, progress: object) -> None:
    run = factories.make_run(status="running")
    step = factories.make_step(run, "train", status="running")
    step.attempts.update(progress=progress)

    page = open_run(as_charlie, run)

    assert not page.all("img")


def test_a_step_that_waits_to_retry_says_when(as_charlie: Client) -> None:
    run = factories.make_run(status="running")
    factories.make_step(
        run,
        "train",
        status="retrying",
        next_attempt_at=timezone.now().timestamp() + 90,
        options=StepOptions(retry=Retry(max_retries=3, delay=90)),
    )

    row = open_run(as_charlie, run).one("table", class_="steps").one("tbody").one("tr")

    assert "1 of 4" in row.text
    assert "next retry in 01:30" in row.text


def test_a_reused_step_says_from_where_and_why(as_charlie: Client) -> None:
    origin = factories.make_run(status="completed", steps=["load"])
    run = factories.make_run(status="completed")
    step = origin.steps.get()
    factories.make_step(run, "load", status="cached", origin_step=step, cache_reason="Taken from run #1: same code.")

    page = open_run(as_charlie, run)

    assert "from #1" in page.one("table", class_="steps").text
    panel = page.one("div", id="panel")
    assert "Taken from run #1: same code." in panel.text
    assert panel.has("a", href="/runs/1/?step=load")
    assert "Nothing ran, so there is no log." in panel.text


def test_a_hostile_log_and_names_stay_text(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline(HOSTILE)
    run = factories.make_run(
        pipeline=pipeline,
        status="failed",
        name=HOSTILE,
        tags=[HOSTILE],
        actor_name=HOSTILE,
        status_reason=HOSTILE,
        warnings=[HOSTILE],
        changes=[{"what": HOSTILE, "old": HOSTILE, "new": {"a": HOSTILE}}],
        parameters={HOSTILE: HOSTILE},
    )
    step = factories.make_step(
        run, HOSTILE, status="failed", attempts=False, status_reason=HOSTILE, metadata={HOSTILE: HOSTILE}
    )
    fields = {"error_type": HOSTILE, "error_message": HOSTILE, "error_where": HOSTILE, "error_traceback": HOSTILE}
    factories.make_attempt(step, status="failed", log=f"{HOSTILE}\n", host=HOSTILE, **fields)
    factories.make_event(run, "note", message=HOSTILE, invocation_id=HOSTILE, status=HOSTILE)

    for path in (
        "",
        "graph/",
        "timeline/",
        "artifacts/",
        "config/?all=1",
        "code/",
        "events/",
        "?tab=options",
        "?tab=data",
        "?tab=code",
        "?tab=details",
        "logs/%3C%2Fscript%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E/1/",
    ):
        response = as_charlie.get(f"/runs/{run.number}/{path}")

        assert not read(response).all("img")
        assert "<img" not in response.content.decode()


def test_a_run_is_found_by_number_id_and_the_beginning_of_its_id(as_charlie: Client) -> None:
    run = factories.make_run(pipeline=factories.make_pipeline("train-model"))

    assert read(as_charlie.get("/runs/1/")).one("h1").text == "train-model #1"
    # One address for one run, whatever named it.
    for ref in (f"%23{run.number}", run.id, str(run.id)[:18], run.id.hex):
        assert as_charlie.get(f"/runs/{ref}/")["Location"] == "/runs/1/"
    assert as_charlie.get(f"/runs/{run.id}/?step=load&tab=code")["Location"] == "/runs/1/?step=load&tab=code"
    assert read(as_charlie.get(f"/runs/{run.id}/graph/")).one("h1").text == "train-model #1"


@pytest.mark.parametrize("ref", ["99", "abc", "ffffffff", "x" * 300, "-1", "0", str(uuid.uuid4()), "%00"])
def test_a_run_that_is_not_there_is_not_found(as_charlie: Client, ref: str) -> None:
    factories.make_run()

    assert "There is no single run" in read(as_charlie.get(f"/runs/{ref}/"), status=404).text


def test_an_id_prefix_two_runs_share_is_not_found(as_charlie: Client) -> None:
    first = factories.make_run(id=uuid.UUID("01890000-0000-7000-8000-000000000001"))
    factories.make_run(id=uuid.UUID("01890000-0000-7000-8000-000000000002"))

    assert as_charlie.get(f"/runs/{str(first.id)[:13]}/").status_code == 404


def test_queries_do_not_grow_with_steps_and_attempts(as_charlie: Client, django_assert_max_num_queries) -> None:
    run = factories.make_run(status="failed", steps={f"s{number}": "completed" for number in range(20)})
    factories.make_step(run, "last", status="failed")
    InstanceSettings.load()
    # What is usual is kept for a minute.
    as_charlie.get(f"/runs/{run.number}/")

    with CaptureQueriesContext(connection) as queries, django_assert_max_num_queries(12):
        as_charlie.get(f"/runs/{run.number}/")

    # The plans of a table are only looked into, by the database: JSON_EXTRACT("runs_steprun"."plan", ...).
    reading_plans = [query for query in queries if re.search(r'(?<!\()"runs_steprun"."plan"', query["sql"])]
    assert len(reading_plans) == 1


def test_htmx_gets_what_changed_beside_one_another(as_charlie: Client) -> None:
    run = factories.make_run(status="running", steps={"a": "completed", "b": "running"})
    page = open_run(as_charlie, run)
    address = page.one("div", id="run-live")["hx-get"]
    headers = {"HX-Request": "true", "HX-Target": "run-live"}

    same = read(as_charlie.get(address, headers=headers))
    assert not same.has("html")
    assert [element["id"] for element in same.all(hx_swap_oob="true")] == [
        "running-count",
        "run-head",
        "run-failure",
        "run-steps",
        "panel-head",
    ]

    attempt = run.steps.get(invocation_id="b").attempts.get()
    attempt.status = "failed"
    attempt.save()
    factories.make_attempt(attempt.step_run, status="running", log="again\n")

    changed = read(as_charlie.get(address, headers=headers))
    assert {"panel-head", "panel-log"} <= {element["id"] for element in changed.all(hx_swap_oob="true")}
    assert changed.one("log-view").one("div", class_="line").text == "1 again"


def test_the_attempt_asked_for_stays_when_a_new_one_begins(as_charlie: Client) -> None:
    run = factories.make_run(status="running", steps={"a": "running"})
    address = open_run(as_charlie, run, "?step=a&attempt=1").one("div", id="run-live")["hx-get"]
    attempt = run.steps.get().attempts.get()
    attempt.status = "failed"
    attempt.save()
    factories.make_attempt(attempt.step_run, status="running")

    page = read(as_charlie.get(address, headers={"HX-Request": "true", "HX-Target": "run-live"}))

    assert not page.has("div", id="panel-log")


def test_a_run_that_ended_no_longer_reloads_itself(as_charlie: Client) -> None:
    run = factories.make_run(status="completed", steps=1)

    page = open_run(as_charlie, run)
    assert not page.has("div", id="run-live")
    assert page.one("live-run")["run"] == str(run.id)

    last = open_run(as_charlie, run, HX_Request="true", HX_Target="run-live")
    assert "data-live" not in last.one("div", id="run-live").attributes


def test_events_tell_the_story_in_order(as_charlie: Client) -> None:
    run = factories.make_run(status="failed")
    factories.make_event(run, "run.created", trigger="browser", by="ana")
    factories.make_event(run, "step.status", invocation_id="train", status="failed", reason="it broke")
    factories.make_event(run, "something.new", status="odd_word")

    rows = read(as_charlie.get(f"/runs/{run.number}/events/")).one("tbody").all("tr")

    assert [row.all("td")[0].text for row in rows] == ["1", "2", "3"]
    assert "Run made (browser) by ana" in rows[0].text
    assert "train Failed it broke" in rows[1].text
    assert "something.new Odd word" in rows[2].text


def test_parameters_are_shown_with_types_and_changes(as_charlie: Client) -> None:
    parent = factories.make_run()
    run = factories.make_run(
        pipeline=parent.pipeline,
        parent=parent,
        changes=[{"what": "epochs", "old": 10, "new": 20}],
        overrides={"steps": {"train": {"enable_cache": False}}},
        parameters={"epochs": 20, "layers": [1, 2], "shuffle": False},
    )

    page = read(as_charlie.get(f"/runs/{run.number}/config/"))

    for text in (
        "epochs int 20",
        "layers list [1, 2]",
        "shuffle bool false",
        "epochs 10 → 20",
        "train.enable_cache off",
    ):
        assert text in page.text


@pytest.mark.parametrize("page", ["", "graph/", "timeline/", "artifacts/", "config/", "code/", "events/"])
def test_pages_of_a_run_answer_reads_only_and_need_a_person(as_bob: Client, client: Client, page: str) -> None:
    run = factories.make_run()

    assert as_bob.post(f"/runs/{run.number}/{page}").status_code == 405
    assert client.get(f"/runs/{run.number}/{page}")["Location"].startswith("/login/")


def test_buttons_are_only_for_those_who_may_press_them(as_bob: Client, as_charlie: Client) -> None:
    failed, running = failed_run(), factories.make_run(status="running")

    def actions(client: Client, run: Run) -> set[str]:
        head = open_run(client, run).one("section", id="run-head")
        links = {link.text for link in head.all("a", class_="btn")}
        return links | {button.text for button in head.one("span", class_="run-head__acts").all("button")}

    assert actions(as_bob, failed) == {"Compare", "Rerun everything", "Rerun from what failed"}
    assert actions(as_bob, running) == {"Cancel run", "Rerun", "Notify me"}
    assert actions(as_charlie, failed) == {"Compare"}
    assert actions(as_charlie, running) == {"Notify me"}


def test_a_run_whose_code_was_not_kept_says_so_instead_of_offering_a_rerun(as_bob: Client) -> None:
    run = factories.make_run(pipeline=factories.make_pipeline(can_run=False))

    head = open_run(as_bob, run).one("section", id="run-head")

    assert "Its code was not kept" in head.text
    assert [link.text for link in head.all("a", class_="btn")] == ["Compare"]


def test_a_panel_nobody_chose_follows_the_run(as_charlie: Client) -> None:
    run = factories.make_run(status="running", steps={"a": "running", "b": "pending"})
    address = open_run(as_charlie, run).one("div", id="run-live")["hx-get"]
    run.steps.filter(invocation_id="a").update(status="completed")
    step = run.steps.get(invocation_id="b")
    step.status = "running"
    step.save()
    factories.make_attempt(step, status="running", log="from b\n")

    page = read(as_charlie.get(address, headers={"HX-Request": "true", "HX-Target": "run-live"}))

    assert page.one("tr", aria_selected="true")["data-step"] == "b"
    assert page.one("div", id="panel-head").one("h2").text == "b"
    assert page.one("log-view").one("div", class_="line").text == "1 from b"


def test_a_chosen_step_stays_while_the_run_goes_on(as_charlie: Client) -> None:
    run = factories.make_run(status="running", steps={"a": "completed", "b": "running"})
    address = open_run(as_charlie, run, "?step=a").one("div", id="run-live")["hx-get"]

    page = read(as_charlie.get(address, headers={"HX-Request": "true", "HX-Target": "run-live"}))

    assert page.one("tr", aria_selected="true")["data-step"] == "a"
    assert not page.has("div", id="panel-log")
