"""Questions of dynamic pipelines in the browser: who sees them, who answers, and what an answer must be."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from stepwell.core.status import RunStatus, StepKind
from stepwell.runs.models import DriverCall, Run, StepRun, Wait
from tests.execution.make import make_run
from tests.web.page import form_of, read

pytestmark = pytest.mark.django_db

TWO_FIELDS = {
    "type": "object",
    "properties": {
        "rate": {"type": "number", "minimum": 0, "description": "Share of all traffic."},
        "zone": {"enum": ["eu", "us"]},
    },
    "required": ["rate", "zone"],
}


def ask(schema: dict, *, run: Run | None = None, name: str = "approve") -> Wait:
    run = run or make_run({"a": []}, status=RunStatus.PAUSED)
    driver, _ = StepRun.objects.get_or_create(
        run=run, kind=StepKind.DRIVER, invocation_id=":driver", defaults={"name": "train"}
    )
    ordinal = driver.calls.count() + 1
    call = DriverCall.objects.create(
        driver=driver, ordinal=ordinal, kind=DriverCall.Kind.WAIT, name=name, input_hash="0" * 64
    )
    return Wait.objects.create(run=run, call=call, name=name, question="Ship it?", schema=schema)


def url(wait: Wait) -> str:
    return f"/waits/{wait.id}/"


def test_open_questions_are_listed_and_counted_in_the_rail(as_charlie: Client) -> None:
    wait = ask({"type": "boolean"})

    page = read(as_charlie.get("/waits/"))

    assert page.has("a", href=url(wait))
    assert "Ship it?" in page.text
    assert page.one(id="waiting-count").text.endswith("1")


def test_yes_or_no_is_two_buttons_and_the_answer_is_kept_with_who_gave_it(as_bob: Client) -> None:
    wait = ask({"type": "boolean"})
    page = read(as_bob.get(url(wait)))
    assert [button.text for button in page.one("form", action=url(wait)).all("button")] == ["No", "Yes"]

    response = as_bob.post(url(wait), {**form_of(page, url(wait)), "p:answer": "false"})

    wait.refresh_from_db()
    assert response.status_code == 302
    assert (wait.status, wait.answer, wait.answered_by) == ("answered", False, "bob")
    assert AuditEvent.objects.get(action="wait.answered").object_id == str(wait.run_id)
    assert "bob answered" in read(as_bob.get(url(wait))).text


def test_an_object_gets_a_field_per_key_and_wrong_values_an_error_beside_it(as_bob: Client) -> None:
    wait = ask(TWO_FIELDS)
    page = read(as_bob.get(url(wait)))
    assert "Share of all traffic." in page.text

    refused = read(as_bob.post(url(wait), {"p:rate": "-1", "p:zone": "eu"}), status=422)
    wait.refresh_from_db()
    assert wait.status == "open"
    assert "minimum" in refused.one(class_="bad").text
    assert form_of(refused, url(wait))["p:rate"] == "-1"

    assert as_bob.post(url(wait), {"p:rate": "0.5", "p:zone": "us"}).status_code == 302
    wait.refresh_from_db()
    assert wait.answer == {"rate": 0.5, "zone": "us"}


def test_without_a_schema_any_json_answers(as_bob: Client) -> None:
    wait = ask({})

    assert as_bob.post(url(wait), {"p:answer": "{broken"}).status_code == 422
    assert as_bob.post(url(wait), {"p:answer": '{"a": [1, 2]}'}).status_code == 302

    wait.refresh_from_db()
    assert wait.answer == {"a": [1, 2]}


def test_a_second_answer_is_told_the_first_ones(as_bob: Client, as_alice: Client) -> None:
    wait = ask({"type": "boolean"})
    as_bob.post(url(wait), {"p:answer": "true"})

    page = read(as_alice.post(url(wait), {"p:answer": "false"}), status=409)

    wait.refresh_from_db()
    assert wait.answer is True
    assert "bob answered" in page.text


def test_a_viewer_reads_the_question_and_cannot_answer(as_charlie: Client) -> None:
    wait = ask({"type": "boolean"})

    page = read(as_charlie.get(url(wait)))
    assert not page.one("form", action=url(wait)).has("button")
    assert as_charlie.post(url(wait), {"p:answer": "true"}).status_code == 403

    wait.refresh_from_db()
    assert wait.status == "open"


def test_an_unknown_question_is_a_404_and_nonsense_of_every_kind_never_breaks(as_bob: Client) -> None:
    assert as_bob.get("/waits/01890000-0000-7000-8000-000000000000/").status_code == 404
    for schema in ({"type": "array", "items": {"type": "integer"}}, {"anyOf": [{"type": "null"}, {"type": "string"}]}):
        wait = ask(schema)
        for text in ("", "\0", "[1, 2", "x" * 5000, "[[[[", "NaN", "1e999"):
            assert as_bob.get(url(wait)).status_code == 200
            assert as_bob.post(url(wait), {"p:answer": text}).status_code in {302, 409, 422}


def test_the_run_page_shows_its_open_questions(as_bob: Client) -> None:
    wait = ask({"type": "boolean"})

    page = read(as_bob.get(f"/runs/{wait.run.number}/"))

    assert page.has("a", href=url(wait))
