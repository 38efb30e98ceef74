"""The rerun form: filled in from the run, honest about what will happen, and nothing made unless everything fits."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from stepwell.core.plan import Retry, StepOptions
from stepwell.runs.models import Run
from stepwell.web import option_forms
from tests import factories
from tests.web.page import Element, form_of, read
from tests.web.run_pages import open_run

EVALUATE = "o:evaluate:"


@pytest.fixture
def run(db: None) -> Run:
    """load and train done, evaluate failed with two retries, report skipped."""
    run = factories.make_run(pipeline=factories.make_pipeline("train-model"), status="failed")
    load = factories.make_step(run, "load")
    train = factories.make_step(run, "train", after=load)
    options = StepOptions(retry=Retry(max_retries=2, delay=10), timeout=600, environment={"OMP_NUM_THREADS": "2"})
    evaluate = factories.make_step(run, "evaluate", status="failed", after=train, options=options)
    factories.make_step(run, "report", status="skipped", after=evaluate)
    return run


def filled(client: Client, run: Run, **changes: Any) -> dict[str, Any]:
    """The form as a browser would send it, with changes; None takes a field away (an unticked box)."""
    page = read(client.get(f"/runs/{run.number}/rerun/?scope=failed"))
    sent = form_of(page, f"/runs/{run.number}/rerun/")
    sent.update(changes)
    return {name: value for name, value in sent.items() if value is not None}


def send(client: Client, run: Run, sent: dict[str, Any], **headers: str) -> Any:
    return client.post(f"/runs/{run.number}/rerun/", sent, headers=headers)


def forecast(page: Element) -> list[str]:
    return [line.text for line in page.one("ul", class_="plan").all("li")]


def test_the_form_holds_what_the_run_had(as_bob: Client, run: Run) -> None:
    sent = filled(as_bob, run)

    assert sent["scope"] == "failed"
    assert sent["p:learning_rate"] == "0.01"
    assert sent["p:shuffle"] == "on"
    assert sent["p:backbone"] == "resnet18"
    assert sent["p:layers"] == "[64, 32]"
    assert sent[f"{EVALUATE}retries"] == "2"
    assert sent[f"{EVALUATE}delay"] == "10s"
    assert sent[f"{EVALUATE}timeout"] == "10m"
    assert sent[f"{EVALUATE}enable_cache"] == "on"
    assert sent[f"{EVALUATE}environment"] == "OMP_NUM_THREADS=2"


def test_the_form_says_what_will_happen_before_anything_is_changed(as_bob: Client, run: Run) -> None:
    page = read(as_bob.get(f"/runs/{run.number}/rerun/?scope=failed"))

    assert forecast(page) == [
        "reused: load, train kept from run #1",
        "runs: evaluate was failed",
        "runs: report was skipped",
    ]
    assert "2 steps will run again, 2 results reused." in page.text
    assert "None: the same as #1." in page.text


def test_sending_it_unchanged_starts_a_run_without_changes(as_bob: Client, bob, run: Run) -> None:
    response = send(as_bob, run, filled(as_bob, run))

    made = Run.objects.get(number=2)
    assert response["Location"] == "/runs/2/"
    assert (made.parent, made.rerun_scope, made.actor, made.trigger) == (run, "failed", bob, "rerun")
    assert made.parameters == run.parameters
    assert made.changes == []
    assert made.overrides["steps"] == {}


def test_what_is_changed_is_stored_as_it_stood_in_the_form(as_bob: Client, run: Run) -> None:
    sent = filled(
        as_bob,
        run,
        **{
            "p:learning_rate": "0.003",
            "p:shuffle": None,
            f"{EVALUATE}retries": "5",
            f"{EVALUATE}backoff": "2",
            f"{EVALUATE}timeout": "1h 30m",
            f"{EVALUATE}enable_cache": None,
            f"{EVALUATE}environment": "OMP_NUM_THREADS=4\r\nMODE=a=b",
            "o:train:hooks_enabled": None,
            "o:train:settings": '{"docker": {"memory": "4g"}}',
        },
    )

    send(as_bob, run, sent)

    made = Run.objects.get(number=2)
    assert made.parameters == {**run.parameters, "learning_rate": 0.003, "shuffle": False}
    assert made.overrides["steps"] == {
        "evaluate": {
            "retry": {"max_retries": 5, "delay": 10.0, "backoff": 2.0},
            "timeout": 5400.0,
            "enable_cache": False,
            "environment": {"OMP_NUM_THREADS": "4", "MODE": "a=b"},
        },
        "train": {"hooks_enabled": False, "settings": {"docker": {"memory": "4g"}}},
    }
    changed = {change["what"] for change in made.changes}
    assert changed >= {"learning_rate", "shuffle", "evaluate.retry.max_retries", "evaluate.timeout"}


def test_an_emptied_time_out_removes_the_limit(as_bob: Client, run: Run) -> None:
    send(as_bob, run, filled(as_bob, run, **{f"{EVALUATE}timeout": ""}))

    assert Run.objects.get(number=2).overrides["steps"]["evaluate"] == {"timeout": 0.0}


def test_what_the_run_had_changed_before_is_kept(as_bob: Client, run: Run) -> None:
    run.overrides = {"steps": {"evaluate": {"enable_cache": False}}}
    run.save()
    step = run.steps.get(invocation_id="evaluate")
    step.plan["options"]["enable_cache"] = False
    step.save()

    send(as_bob, run, filled(as_bob, run, **{f"{EVALUATE}timeout": "20m"}))

    assert Run.objects.get(number=2).overrides["steps"]["evaluate"] == {"enable_cache": False, "timeout": 1200.0}


@pytest.mark.parametrize("option", ["step_operator", "experiment_tracker"])
def test_a_component_can_be_switched_off(as_bob: Client, run: Run, option: str) -> None:
    step = run.steps.get(invocation_id="train")
    step.plan["options"][option] = "ray"
    step.save()

    send(as_bob, run, filled(as_bob, run, **{f"o:train:{option}": None}))

    assert Run.objects.get(number=2).overrides["steps"] == {"train": {option: False}}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("p:learning_rate", "fast", "“fast” is not a number."),
        ("p:epochs", "1.5", "1.5 is not a whole number."),
        ("p:backbone", "vgg", 'is not one of "resnet18", "resnet50"'),
        ("p:layers", "[1,", "is not a JSON list."),
        ("p:learning_rate", "NaN", "is not a number."),
        (f"{EVALUATE}timeout", "ten", "“ten” is not a duration. Write 90s, 10m or 2h."),
        (f"{EVALUATE}retries", "-1", "Write a whole number from 0 to 1000."),
        (f"{EVALUATE}retries", "99999999999", "Write a whole number from 0 to 1000."),
        (f"{EVALUATE}delay", "soon", "“soon” is not a duration."),
        (f"{EVALUATE}backoff", "nan", "is not a factor."),
        (f"{EVALUATE}environment", "no sign", "“no sign” is not KEY=VALUE."),
        (f"{EVALUATE}settings", "{", "This is not JSON."),
        (f"{EVALUATE}settings", "[1]", "Settings are a JSON object"),
        (f"{EVALUATE}settings", "[" * 100000, "This is not JSON."),
    ],
)
def test_a_wrong_field_is_told_beside_it_and_nothing_is_made(
    as_bob: Client, run: Run, field: str, value: str, message: str
) -> None:
    page = read(send(as_bob, run, filled(as_bob, run, **{field: value})), status=422)

    wrong = [element for element in page.all() if element.attributes.get("name") == field]
    assert wrong[0]["aria-invalid"] == "true"
    assert message in page.one("p", id=wrong[0]["aria-describedby"]).text
    assert "1 field to mend" in page.text
    assert Run.objects.count() == 1


def test_every_wrong_field_is_told_at_once_and_what_was_typed_stays(as_bob: Client, run: Run) -> None:
    changes = {
        "p:learning_rate": "fast",
        "p:epochs": "20",
        f"{EVALUATE}timeout": "ten",
        f"{EVALUATE}enable_cache": None,
    }

    page = read(send(as_bob, run, filled(as_bob, run, **changes)), status=422)

    assert "2 fields to mend" in page.text
    shown = form_of(page, f"/runs/{run.number}/rerun/")
    assert shown["p:learning_rate"] == "fast"
    assert shown["p:epochs"] == "20"
    assert shown[f"{EVALUATE}timeout"] == "ten"
    assert f"{EVALUATE}enable_cache" not in shown
    assert [note.text for note in page.all("span", class_="was")] == ["was 0.01", "was 10", "was 10m", "was on"]
    assert [details.one("summary").text for details in page.all("details", open=None) if "open" in details.attributes]


def test_preview_shows_the_changes_and_makes_nothing(as_bob: Client, run: Run) -> None:
    sent = filled(as_bob, run, **{"p:epochs": "20", f"{EVALUATE}timeout": "20m"})

    page = read(send(as_bob, run, {**sent, "preview": "1"}))

    changes = [line.text for line in page.one("aside").one("div", class_="diff").all("div")]
    assert changes == ["epochs 10 → 20", "evaluate.timeout 10 m 00 s → 20 m 00 s"]
    assert form_of(page, "/runs/1/rerun/")["p:epochs"] == "20"
    assert Run.objects.count() == 1


def test_htmx_gets_the_preview_alone(as_bob: Client, run: Run) -> None:
    headers = {"HX-Request": "true", "HX-Target": "rerun-preview"}

    page = read(send(as_bob, run, filled(as_bob, run, scope="whole"), **headers))

    assert forecast(page) == ["runs: load, train, evaluate, report everything runs"]
    assert not page.has("form")
    assert Run.objects.count() == 1


def test_the_same_form_sent_twice_starts_one_run(as_bob: Client, run: Run) -> None:
    sent = filled(as_bob, run)

    first, second = send(as_bob, run, sent), send(as_bob, run, sent)

    assert first["Location"] == second["Location"] == "/runs/2/"
    assert Run.objects.count() == 2


def test_a_run_that_completed_can_only_be_run_whole(as_bob: Client) -> None:
    run = factories.make_run(status="completed", steps=2)

    page = read(as_bob.get(f"/runs/{run.number}/rerun/?scope=failed"))

    assert "disabled" in page.one("input", name="scope", value="failed").attributes
    assert form_of(page, f"/runs/{run.number}/rerun/")["scope"] == "whole"


def test_a_run_without_steps_can_be_run_again(as_bob: Client) -> None:
    run = factories.make_run(status="failed")
    factories.make_step(run, ":plan", status="failed", kind="plan")

    page = read(as_bob.get(f"/runs/{run.number}/rerun/"))
    assert "The pipeline is read again; its steps are known then." in page.text

    assert send(as_bob, run, form_of(page, f"/runs/{run.number}/rerun/"))["Location"] == f"/runs/{run.number + 1}/"


def test_a_scope_that_does_not_exist_is_refused(as_bob: Client, run: Run) -> None:
    assert send(as_bob, run, filled(as_bob, run, scope="some")).status_code == 422
    assert Run.objects.count() == 1


def test_a_run_without_kept_code_is_refused_in_words(as_bob: Client) -> None:
    run = factories.make_run(pipeline=factories.make_pipeline(can_run=False), steps=1)

    page = read(send(as_bob, run, {"scope": "whole"}), status=422)

    assert "was not kept" in page.text
    assert "stepwell register FILE" in page.text


def test_a_large_run_shows_the_options_of_what_did_not_finish(as_bob: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(option_forms, "MOST_STEPS", 2)
    run = factories.make_run(status="failed", steps={"a": "completed", "b": "completed", "c": "failed"})

    page = read(as_bob.get(f"/runs/{run.number}/rerun/"))

    shown = [details.one("summary").text for details in page.all("details", class_="step-options")]
    assert shown == ["Completed: a", "Failed: c"]
    assert "The options of 1 more steps stay as they were." in page.text


def test_an_optional_parameter_left_empty_is_none(as_bob: Client) -> None:
    schema = {
        "type": "object",
        "properties": {
            "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 5},
            "label": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "additionalProperties": False,
    }
    run = factories.make_run(
        pipeline=factories.make_pipeline(schema=schema), parameters={"limit": 5, "label": None}, steps=1
    )

    send(as_bob, run, filled(as_bob, run, **{"p:limit": ""}))

    made = Run.objects.get(number=2)
    assert made.parameters == {"limit": None, "label": None}
    assert [change["what"] for change in made.changes] == ["limit"]


def test_hostile_values_stay_text(as_bob: Client, run: Run) -> None:
    hostile = '"><img src=x onerror=alert(1)>'

    page = read(
        send(as_bob, run, filled(as_bob, run, **{"p:learning_rate": hostile, f"{EVALUATE}environment": hostile})),
        status=422,
    )

    assert not page.all("img")
    assert form_of(page, "/runs/1/rerun/")["p:learning_rate"] == hostile


def test_it_is_written_into_the_audit_log(as_bob: Client, run: Run) -> None:
    send(as_bob, run, filled(as_bob, run, **{"p:epochs": "20"}))

    event = AuditEvent.objects.get(action="run.rerun")
    assert (event.actor_name, event.object_name, event.after["parent"]) == ("bob", "train-model #2", 1)
    assert event.after["changes"] == [{"what": "epochs", "old": 10, "new": 20}]


def test_viewers_may_not_rerun(as_charlie: Client, run: Run) -> None:
    assert as_charlie.get(f"/runs/{run.number}/rerun/").status_code == 403
    assert send(as_charlie, run, {"scope": "whole"}).status_code == 403
    assert Run.objects.count() == 1


def test_other_methods_are_refused(as_bob: Client, run: Run) -> None:
    assert as_bob.delete(f"/runs/{run.number}/rerun/").status_code == 405


def test_a_run_and_its_reruns_lead_to_one_another(as_charlie: Client) -> None:
    run = factories.make_run(status="failed", steps={"load": "failed"})
    again = [factories.make_run(pipeline=run.pipeline, parent=run, status=status) for status in ("failed", "completed")]
    factories.make_run(pipeline=run.pipeline, parent=again[0])

    head = open_run(as_charlie, run).one("section", id="run-head")

    assert "rerun as Completed: #3 , Failed: #2" in head.text
    assert [link["href"] for link in head.all("a", class_="nowrap")] == ["/runs/3/", "/runs/2/"]
    assert "rerun as" not in open_run(as_charlie, again[1]).one("section", id="run-head").text
