"""Schedules over the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stepwell.accounts.models import AuditEvent
from stepwell.pipelines.models import Schedule
from stepwell.runs.models import Run

pytestmark = pytest.mark.django_db
DAILY = {"pipeline": "train", "name": "nightly", "cron": "0 2 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
def schedule(operator, pipeline):
    return operator.post("/schedules", {**DAILY, "parameters": {"rows": 3}}).json()


def test_a_schedule_is_made_and_read_back(operator, viewer, pipeline):
    response = operator.post(
        "/schedules",
        {**DAILY, "parameters": {"rows": 3}, "steps": {"load": {"timeout": 5, "environment": {"TOKEN": "t"}}}},
    )
    made = response.json()

    assert response.status_code == 201
    assert response["Location"] == f"/api/v1/schedules/{made['id']}"
    assert (made["kind"], made["paused"], len(made["next_times"])) == ("cron", False, 5)
    assert made["overrides"]["steps"]["load"]["environment"] == {"TOKEN": "t"}
    assert AuditEvent.objects.get(action="schedule.created").object_name == "nightly"
    for ref in ("nightly", made["id"]):
        seen = viewer.get(f"/schedules/{ref}").json()
        assert seen["name"] == "nightly"
        assert seen["overrides"]["steps"]["load"]["environment"] == {"TOKEN": "********"}


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"cron": "61 * * * *"}, 422, "“61 * * * *”"),
        ({"cron": None}, 422, "nothing says when"),
        ({"interval_seconds": 60}, 422, "both given"),
        ({"timezone": "Mars"}, 422, "“Mars” is not a time zone"),
        ({"start": "0001-01-01T00:00:00"}, 422, "year 1 is out of range"),
        ({"pipeline": "nothing"}, 404, "no pipeline “nothing”"),
        ({"parameters": {"rows": "many"}}, 422, "rows"),
        ({"unknown": 1}, 422, "unknown"),
        ({"end": "2020-01-01T00:00:00"}, 422, "never fire"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(operator, pipeline, change, status, words):
    response = operator.post("/schedules", {**DAILY, **change})

    assert response.status_code == status
    assert words in str(response.json())
    assert not Schedule.objects.exists()


def test_a_name_is_taken_once(operator, schedule):
    assert operator.post("/schedules", DAILY).status_code == 409


def test_schedules_are_listed_by_name_in_pages(operator, viewer, schedule):
    for name in ("alpha", "zeta"):
        operator.post("/schedules", {**DAILY, "name": name})

    first = viewer.get("/schedules", data={"limit": 2}).json()
    second = viewer.get("/schedules", data={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [row["name"] for page in (first, second) for row in page["items"]] == ["alpha", "nightly", "zeta"]
    assert second["next_cursor"] is None
    assert len(viewer.get("/schedules", data={"pipeline": "train"}).json()["items"]) == 3


def test_it_is_paused_and_goes_on(operator, schedule):
    paused = operator.patch("/schedules/nightly", {"paused": True}).json()
    assert (paused["paused"], paused["next_times"]) == (True, [])
    operator.patch("/schedules/nightly", {"paused": True})
    assert operator.patch("/schedules/nightly", {"paused": False}).json()["next_times"] == schedule["next_times"]

    acts = AuditEvent.objects.filter(object_kind="schedule").order_by("id").values_list("action", flat=True)
    assert list(acts) == ["schedule.created", "schedule.paused", "schedule.resumed"]


def test_run_now_starts_one_run_per_key(operator, schedule):
    first = operator.post("/schedules/nightly/runs", headers={"Idempotency-Key": "a"})
    again = operator.post("/schedules/nightly/runs", headers={"Idempotency-Key": "a"})

    assert first.status_code == 201
    assert (first.json()["trigger"], first.json()["parameters"]) == ("schedule", {"rows": 3})
    assert again.json()["id"] == first.json()["id"]
    fires = operator.get("/schedules/nightly/fires").json()["items"]
    assert [(fire["cause"], fire["run_id"]) for fire in fires] == [("hand", first.json()["id"])]


def test_a_range_is_previewed_then_filled_in_once(operator, schedule):
    today = datetime.now(UTC).date()
    days = {"first": str(today - timedelta(days=3)), "last": str(today - timedelta(days=1))}

    preview = operator.post("/schedules/nightly/backfills", {**days, "preview": True}).json()
    assert (len(preview["times"]), preview["run_ids"], Run.objects.count()) == (3, [], 0)
    filled = operator.post("/schedules/nightly/backfills", days).json()
    assert len(filled["run_ids"]) == Run.objects.count() == 3
    again = operator.post("/schedules/nightly/backfills", days).json()
    assert (again["times"], again["done"], again["run_ids"]) == ([], 3, [])
    assert (
        operator.post("/schedules/nightly/backfills", {"first": "0001-01-01", "last": "9999-12-31"}).status_code == 422
    )


def test_a_deleted_schedule_is_gone_and_its_runs_stay(operator, schedule):
    operator.post("/schedules/nightly/runs")

    assert operator.delete("/schedules/nightly").status_code == 204
    assert operator.get("/schedules/nightly").status_code == 404
    assert Run.objects.count() == 1


def test_a_viewer_changes_nothing(operator, viewer, schedule):
    tries = [
        viewer.post("/schedules", {**DAILY, "name": "mine"}),
        viewer.patch("/schedules/nightly", {"paused": True}),
        viewer.delete("/schedules/nightly"),
        viewer.post("/schedules/nightly/runs"),
        viewer.post("/schedules/nightly/backfills", {"first": "2026-01-01", "last": "2026-01-02"}),
    ]

    assert {response.status_code for response in tries} == {403}
    assert Schedule.objects.get().is_paused is False
