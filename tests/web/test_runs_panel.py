"""The panel of one step on the run's page: attempts, log, options, artifacts, hooks."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from stepwell.core.plan import Retry, StepOptions
from tests import factories
from tests.web.run_pages import failed_run, open_run

NOW = timezone.now() - timedelta(minutes=1)


def test_the_panel_opens_on_the_failed_step_else_on_the_running_one(as_charlie: Client) -> None:
    assert open_run(as_charlie, failed_run()).one("tr", aria_selected="true")["data-step"] == "train"

    running = factories.make_run(status="running", steps={"a": "completed", "b": "running", "c": "pending"})

    assert open_run(as_charlie, running).one("tr", aria_selected="true")["data-step"] == "b"


@pytest.mark.parametrize("status", ["failed", "running"])
def test_the_panel_opens_on_a_step_rather_than_on_its_driver(as_charlie: Client, status: str) -> None:
    run = factories.make_run(status=status, is_dynamic=True, started=NOW)
    factories.make_step(run, ":driver", kind="driver", status=status, started=NOW, seconds=30)
    factories.make_step(run, "square:0", started=NOW, seconds=5)
    factories.make_step(run, "square:1", status=status, started=NOW, seconds=20)

    assert open_run(as_charlie, run).one("tr", aria_selected="true")["data-step"] == "square:1"


def test_a_driver_that_failed_by_itself_after_a_step_completed_is_the_one_shown(as_charlie: Client) -> None:
    run = factories.make_run(status="failed", is_dynamic=True)
    factories.make_step(run, ":driver", kind="driver", status="failed")
    factories.make_step(run, "square:0")

    assert open_run(as_charlie, run).one("tr", aria_selected="true")["data-step"] == ":driver"


def test_the_address_says_which_step_and_attempt_the_panel_shows(as_charlie: Client) -> None:
    run = failed_run()

    page = open_run(as_charlie, run, "?step=train&attempt=2")

    tabs = page.one("nav", aria_label="Attempts").all("a")
    assert [tab.text for tab in tabs] == ["attempt 1", "attempt 2", "attempt 3"]
    assert [tab.text for tab in tabs if "aria-current" in tab.attributes] == ["attempt 2"]
    assert page.one("div", id="panel").has("a", href=f"/runs/{run.number}/logs/train/2/")


@pytest.mark.parametrize(
    "query", ["?step=nope", "?step=train&attempt=99", "?step=train&attempt=x", "?attempt=" + "9" * 400]
)
def test_an_address_that_names_nothing_shows_the_usual_panel(as_charlie: Client, query: str) -> None:
    assert open_run(as_charlie, failed_run(), query).one("tr", aria_selected="true")["data-step"] == "train"


def test_the_panel_tells_options_with_where_they_came_from(as_charlie: Client) -> None:
    run = factories.make_run(status="completed")
    options = StepOptions(retry=Retry(max_retries=2, delay=10, backoff=2), timeout=600, environment={"A": "1"})
    step = factories.make_step(run, "train", options=options)
    step.plan["origins"] = {"retry": "call", "timeout": "pipeline"}
    step.plan["options"]["hooks"]["on_failure"] = "train.tell"
    step.save()

    panel = open_run(as_charlie, run, "?tab=options").one("div", id="panel").text

    for text in ("retry 2 retries, 10 s × 2 call", "timeout 10 m 00 s pipeline", 'environment {"A": "1"} default'):
        assert text in panel
    assert "on_failure train.tell" in panel


def test_the_panel_lists_what_came_in_and_what_came_out(as_charlie: Client) -> None:
    run = factories.make_run(status="completed", pipeline=factories.make_pipeline("p"))
    load = factories.make_step(run, "load")
    version = factories.make_artifact(load, "rows", files={"report.html": "<b>"}, size=2048)
    factories.make_step(run, "train", after=load)

    panel = open_run(as_charlie, run, "?step=load&tab=data").one("div", id="panel")
    assert "rows pandas.DataFrame · 2.0 KiB" in panel.text
    assert "p::load::rows , version 1 · abababababab" in panel.text.replace("rows,", "rows ,")
    assert panel.has("a", href=f"/artifacts/{version.id}/view/report.html")

    assert "rows output of load" in open_run(as_charlie, run, "?step=train&tab=data").one("div", id="panel").text


def test_the_panel_tells_hooks_metadata_code_and_the_process(as_charlie: Client) -> None:
    run = factories.make_run(status="failed")
    step = factories.make_step(run, "train", status="failed", metadata={"accuracy": 0.94})
    step.attempts.update(peak_memory_bytes=3 * 2**20, cpu_seconds=2.5, pid=7)
    factories.make_event(run, "hook", step=str(step.id), hook="on_failure", ok=False, seconds=0.2, error="no mail")
    factories.make_event(run, "hook", step=str(uuid.uuid4()), hook="on_success", ok=True)

    details = open_run(as_charlie, run, "?tab=details").one("div", id="panel").text
    for text in (
        "on_failure failed in 200 ms: no mail",
        "3.0 MiB",
        "worker-1, process 7",
        "Traceback (most recent call",
    ):
        assert text in details
    assert "on_success" not in details
    assert "accuracy 0.94" in open_run(as_charlie, run, "?tab=data").one("div", id="panel").text
    code = open_run(as_charlie, run, "?tab=code").one("div", id="panel")
    assert "train" in code.one("span", class_="hl-f").text


def test_the_end_of_the_log_is_in_the_panel_as_lines(as_charlie: Client) -> None:
    run = factories.make_run(status="completed")
    step = factories.make_step(run, "train", attempts=False)
    factories.make_attempt(step, log="".join(f"line {number}\n" for number in range(1, 1001)) + "\x1b[31mred\x1b[0m\n")

    log = open_run(as_charlie, run).one("div", id="panel-log")

    lines = log.all("div", class_="line")
    assert [lines[0]["id"], lines[-1]["id"], len(lines)] == ["L502", "L1001", 500]
    assert lines[-1].one("span", class_="a31").text == "red"
    assert "Lines 1 to 501 are in the whole log" in log.text
    assert log.all("a", class_="link")[0]["href"] == f"/runs/{run.number}/logs/train/1/?first=1"
    assert log.one("form")["action"] == f"/runs/{run.number}/logs/train/1/"


def test_a_log_that_still_grows_is_followed_from_its_last_line(as_charlie: Client) -> None:
    run = factories.make_run(status="running")
    step = factories.make_step(run, "train", status="running", attempts=False)
    attempt = factories.make_attempt(step, status="running", log="one\ntwo\nthr")

    view = open_run(as_charlie, run).one("log-view")

    assert view["attempt"] == str(attempt.id)
    assert view["url"] == f"/runs/{run.number}/logs/train/1/"
    assert "live" in view.attributes
    outline = json.loads(view.one("script").text)
    assert (outline["lines"], outline["after"]) == (3, 8)
    assert [line["id"] for line in view.all("div", class_="line")] == ["L1", "L2", "L3"]


def test_an_option_that_is_only_a_name_reads_as_that_name(as_charlie: Client) -> None:
    run = factories.make_run()
    factories.make_step(run, "train", options=StepOptions())

    text = open_run(as_charlie, run, "?step=train&tab=options").one("div", id="panel-facts").text

    assert "cache_policy default default" in text


def test_a_step_has_an_address_that_leads_to_its_panel(as_charlie: Client) -> None:
    run = factories.make_run(steps=["load"])

    assert (
        as_charlie.get(f"/runs/{run.number}/steps/load/?tab=code")["Location"]
        == f"/runs/{run.number}/?step=load&tab=code"
    )
