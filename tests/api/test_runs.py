"""Runs over the API: list, filter, page, get, start, cancel, rerun, events."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from stepwell.accounts.models import AuditEvent
from stepwell.core.plan import StepOptions
from stepwell.core.status import RunStatus, StepStatus, Trigger
from stepwell.runs.models import Run
from tests.execution.make import make_run, make_snapshot

pytestmark = pytest.mark.django_db


def numbers(response):
    assert response.status_code == 200, response.content
    return [item["number"] for item in response.json()["items"]]


def test_runs_are_listed_newest_first_with_a_steady_number_of_queries(viewer, django_assert_max_num_queries):
    runs = [make_run({"a": []}) for _ in range(5)]

    with django_assert_max_num_queries(8):
        response = viewer.get("/runs")

    assert numbers(response) == [run.number for run in reversed(runs)]
    item = response.json()["items"][0]
    assert item["pipeline"] == "train"
    assert item["status"] == "running"
    assert item["id"] == str(runs[-1].id)


def test_paging_by_cursor_sees_every_run_once_while_runs_are_added(viewer):
    made = [make_run({}).number for _ in range(5)]
    first = viewer.get("/runs", data={"limit": 2}).json()
    make_run({})
    second = viewer.get("/runs", data={"limit": 2, "cursor": first["next_cursor"]}).json()
    third = viewer.get("/runs", data={"limit": 2, "cursor": second["next_cursor"]}).json()

    assert [item["number"] for page in (first, second, third) for item in page["items"]] == made[::-1]
    assert third["next_cursor"] is None


def test_filters_narrow_the_list(viewer):
    done = make_run({}, status=RunStatus.COMPLETED)
    failed = make_run({}, status=RunStatus.FAILED)
    old = make_run({}, status=RunStatus.COMPLETED)
    Run.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(days=3), trigger=Trigger.SCRIPT)
    make_snapshot("other")
    since = (timezone.now() - timedelta(days=1)).isoformat()

    assert numbers(viewer.get("/runs", data={"status": "failed"})) == [failed.number]
    assert numbers(viewer.get("/runs", data={"status": ["failed", "completed"], "since": since})) == [
        failed.number,
        done.number,
    ]
    assert numbers(viewer.get("/runs", data={"trigger": "script"})) == [old.number]
    assert numbers(viewer.get("/runs", data={"pipeline": "other"})) == []
    assert len(numbers(viewer.get("/runs", data={"pipeline": "train"}))) == 3


@pytest.mark.parametrize(
    "query",
    [
        {"status": "nonsense"},
        {"trigger": "' OR 1=1"},
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "1e3"},
        {"limit": "9" * 5000},
        {"cursor": "1"},
        {"cursor": "' OR ''='"},
        {"since": "yesterday"},
        {"since": "9999-12-31T23:59:59-12:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"pipeline": "x" * 256},
        {"pipeline": "\0"},
        {"order_by": "password"},
        {"_connector": "OR"},
        {"_negated": "1"},
        {"actor__password__startswith": "p"},
        {"id__in": "1"},
        {"status": ["failed"] * 21},
    ],
)
def test_filters_that_do_not_exist_or_fit_are_422(viewer, query):
    response = viewer.get("/runs", data=query)

    assert response.status_code == 422
    assert next(iter(query)) in str(response.json()["fields"])


@pytest.mark.parametrize("pipeline", ["%", "_", "tr%", "' OR 1=1 --", "\u202e", "TRAIN "])
def test_a_pipeline_filter_is_taken_literally(viewer, pipeline):
    make_run({})

    assert viewer.get("/runs", data={"pipeline": pipeline}).status_code == 404


def test_a_run_goes_by_number_id_and_the_beginning_of_its_id(viewer):
    run = make_run({})

    for ref in (str(run.number), str(run.id), run.id.hex, run.id.hex[:20], str(run.id).upper()):
        assert viewer.get(f"/runs/{ref}").json()["id"] == str(run.id), ref


def test_a_beginning_that_fits_two_runs_is_not_a_guess(viewer):
    first, second = make_run({}), make_run({})
    shared = first.id.hex[:6]

    assert second.id.hex.startswith(shared)
    assert viewer.get(f"/runs/{shared}").status_code == 404


@pytest.mark.parametrize(
    "ref", ["0", "-1", "99999999999999999999", "zzzz", "%00", "..%2f..", "%2e%2e", "a" * 5000, "019", "%25", "1%27"]
)
def test_unknown_runs_are_404(viewer, ref):
    make_run({})

    assert viewer.get(f"/runs/{ref}").status_code == 404


def test_viewers_see_names_of_environment_variables_but_no_values(viewer, operator):
    options = StepOptions(environment={"WAREHOUSE": "hunter22"})
    overrides = {"steps": {"a": {"environment": {"WAREHOUSE": "hunter22"}}}}
    changes = [{"what": "a.environment.WAREHOUSE", "old": None, "new": "hunter22"}]
    run = make_run({"a": []}, options=options, overrides=overrides, changes=changes)

    for path in (f"/runs/{run.number}", f"/runs/{run.number}/steps", f"/runs/{run.number}/steps/a"):
        hidden, shown = viewer.get(path).content.decode(), operator.get(path).content.decode()
        assert "WAREHOUSE" in hidden
        assert "hunter22" not in hidden
        assert "hunter22" in shown


def test_starting_a_run_stores_it_with_everything_that_was_said(operator, pipeline):
    body = {
        "parameters": {"rows": 3},
        "steps": {"a": {"retry": {"max_retries": 2}, "timeout": 60}},
        "name": "nightly",
        "tags": ["b", "a", "a"],
    }
    response = operator.post("/pipelines/train/runs", body)
    answer = response.json()
    run = Run.objects.get()

    assert response.status_code == 201
    assert response["Location"] == f"/api/v1/runs/{run.id}"
    assert answer["id"] == str(run.id)
    assert answer["status"] == "queued"
    assert answer["trigger"] == "api"
    assert answer["actor"] == "operator"
    assert answer["parameters"] == {"rows": 3}
    assert answer["tags"] == ["a", "b"]
    assert answer["name"] == "nightly"
    assert run.parsed_overrides.steps["a"].retry.max_retries == 2
    assert AuditEvent.objects.get(action="run.started").object_id == str(run.id)


def test_parameters_left_out_take_their_defaults(operator, pipeline):
    assert operator.post("/pipelines/train/runs", {}).json()["parameters"] == {"rows": 10}


def test_an_idempotency_key_makes_one_run(operator, viewer, pipeline, people):
    headers = {"Idempotency-Key": "deploy-7"}
    first = operator.post("/pipelines/train/runs", {}, headers=headers)
    second = operator.post("/pipelines/train/runs", {"parameters": {"rows": 5}}, headers=headers)

    assert first.status_code == second.status_code == 201
    assert first.json()["id"] == second.json()["id"]
    assert Run.objects.count() == 1


def test_idempotency_keys_of_two_people_do_not_meet(operator, people, pipeline):
    from tests.api.conftest import Caller

    headers = {"Idempotency-Key": "same"}
    first = operator.post("/pipelines/train/runs", {}, headers=headers)
    second = Caller(people["admin"]).post("/pipelines/train/runs", {}, headers=headers)

    assert first.json()["id"] != second.json()["id"]


def test_an_idempotency_key_of_another_call_is_a_conflict(operator, pipeline):
    make_snapshot("other")
    headers = {"Idempotency-Key": "k"}
    operator.post("/pipelines/train/runs", {}, headers=headers)

    assert operator.post("/pipelines/other/runs", {}, headers=headers).status_code == 409
    assert Run.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 121])
def test_an_idempotency_key_has_1_to_120_characters(operator, pipeline, key):
    response = operator.post("/pipelines/train/runs", {}, headers={"Idempotency-Key": key})

    assert response.status_code == 422
    assert not Run.objects.exists()


def test_an_unknown_pipeline_is_404_and_names_the_near_ones(operator, pipeline):
    response = operator.post("/pipelines/trian/runs", {})

    assert response.status_code == 404
    assert response.json()["hint"] == "Did you mean train?"


def test_cancelling_a_run_twice_is_one_cancellation(operator):
    run = make_run({"a": []})
    step = run.steps.get()
    step.status = StepStatus.RUNNING
    step.save(update_fields=["status"])

    first = operator.post(f"/runs/{run.number}/cancellation")
    second = operator.post(f"/runs/{run.number}/cancellation")

    assert first.status_code == second.status_code == 202
    assert first.json()["status"] == "cancelling"
    assert first.json()["cancel_requested_by"] == "operator"


def test_cancelling_a_finished_run_is_a_conflict(operator):
    run = make_run({}, status=RunStatus.COMPLETED)
    response = operator.post(f"/runs/{run.number}/cancellation")

    assert response.status_code == 409
    assert response.json()["code"] == "run_finished"


def test_a_rerun_links_to_its_parent_and_says_what_changed(operator):
    run = make_run({"a": []}, status=RunStatus.COMPLETED, parameters={"rows": 10})
    body = {"parameters": {"rows": 20}, "steps": {"a": {"retry": {"max_retries": 4}}}}
    answer = operator.post(f"/runs/{run.number}/reruns", body).json()

    assert answer["parent_id"] == str(run.id)
    assert answer["rerun_scope"] == "whole"
    assert answer["trigger"] == "rerun"
    assert {"what": "rows", "old": 10, "new": 20} in answer["changes"]
    assert {"what": "a.retry.max_retries", "old": 0, "new": 4} in answer["changes"]


def test_a_rerun_of_a_step_the_run_does_not_have_is_422(operator):
    run = make_run({"a": []}, status=RunStatus.FAILED)

    assert operator.post(f"/runs/{run.number}/reruns", {"steps": {"b": {"timeout": 5}}}).status_code == 422
    assert operator.post(f"/runs/{run.number}/reruns", {"scope": "half"}).status_code == 422
    assert Run.objects.count() == 1


def test_a_rerun_begins_from_chosen_steps(operator):
    run = make_run({"a": [], "b": ["a"]}, status=RunStatus.COMPLETED)
    body = {"scope": "steps", "from_steps": ["b"], "code": "newest"}
    answer = operator.post(f"/runs/{run.number}/reruns", body).json()

    assert (answer["rerun_scope"], answer["rerun_steps"]) == ("steps", ["b"])
    for wrong in ({"scope": "steps"}, {"from_steps": ["b"]}, {"scope": "steps", "from_steps": ["c"]}, {"code": "old"}):
        assert operator.post(f"/runs/{run.number}/reruns", wrong).status_code == 422
    assert Run.objects.count() == 2


def test_events_are_read_in_order_from_a_cursor(operator, pipeline):
    run = operator.post("/pipelines/train/runs", {}).json()
    operator.post(f"/runs/{run['number']}/cancellation")

    everything = operator.get(f"/runs/{run['number']}/events").json()
    kinds = [event["kind"] for event in everything["items"]]
    rest = operator.get(f"/runs/{run['number']}/events", data={"after": 1, "limit": 1}).json()

    assert [event["seq"] for event in everything["items"]] == list(range(1, len(kinds) + 1))
    assert kinds[0] == "run.created"
    assert "cancel.requested" in kinds
    assert [event["seq"] for event in rest["items"]] == [2]
    assert rest["latest"] == 2
    assert operator.get(f"/runs/{run['number']}/events", data={"after": -1}).status_code == 422


def test_reading_changes_nothing(viewer, pipeline):
    run = make_run({"a": []})
    before = list(Run.objects.values())
    for path in (
        "/runs",
        f"/runs/{run.number}",
        f"/runs/{run.number}/steps",
        f"/runs/{run.number}/events",
        "/pipelines",
    ):
        assert viewer.get(path).status_code == 200
        viewer._client.head(f"/api/v1{path}")

    assert list(Run.objects.values()) == before
