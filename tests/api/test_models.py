"""Models over the API: what lists and details hold, and what a promotion needs and leaves."""

from __future__ import annotations

import pytest

from stepwell.accounts.models import AuditEvent
from stepwell.artifacts.models import StageChange
from tests.artifacts.test_model_actions import complete, naming, output, plan_run, version_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def versions():
    """Three versions of churn; the second is in staging."""
    runs = [plan_run(a=naming(license="MIT", tags=["tabular"])) for _ in range(3)]
    complete(runs[0], "a", output("weights", kind="model"))
    return [version_of(run, "a") for run in runs]


def test_models_are_listed_with_their_newest_version_and_stages(viewer, operator, versions):
    plan_run(a=naming(name="price"))
    operator.post("/models/churn/versions/2/stage", {"stage": "staging"})
    answer = viewer.get("/models").json()

    assert [(item["name"], item["n_versions"], item["latest_version"]) for item in answer["items"]] == [
        ("churn", 3, "3"),
        ("price", 1, "1"),
    ]
    assert answer["items"][0]["stages"] == {"staging": "2"}
    assert viewer.get("/models/churn").json()["license"] == "MIT"


def test_lists_go_on_where_the_page_before_ended(viewer, versions):
    first = viewer.get("/models/churn/versions?limit=2").json()
    rest = viewer.get(f"/models/churn/versions?limit=2&cursor={first['next_cursor']}").json()

    assert [item["number"] for item in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next_cursor"] is None


def test_a_version_shows_what_belongs_to_it(viewer, versions):
    found = viewer.get("/models/churn/versions/1").json()

    assert [(link["name"], link["kind"], link["artifact"]["type"]) for link in found["artifacts"]] == [
        ("weights", "model", "int")
    ]
    assert len(found["runs"]) == 1
    assert viewer.get("/models/churn/versions/latest").json()["number"] == 3
    assert viewer.get(f"/models/churn/versions/{versions[1].id}").json()["number"] == 2


@pytest.mark.parametrize("path", ["/models/none", "/models/churn/versions/9", "/models/churn/versions/production"])
def test_what_does_not_exist_is_404_with_what_there_is(viewer, versions, path):
    response = viewer.get(path)

    assert response.status_code == 404
    assert response.json()["hint"]


def test_a_promotion_is_kept_with_the_person_and_audited(operator, versions):
    moved = operator.post("/models/churn/versions/3/stage", {"stage": "production", "reason": "best so far"})

    assert moved.status_code == 200
    assert moved.json()["stage"] == "production"
    move = moved.json()["stage_history"][0]
    assert (move["old"], move["new"], move["by"], move["reason"]) == ("none", "production", "operator", "best so far")
    event = AuditEvent.objects.get(action="model.promoted")
    assert (event.actor_name, event.object_name) == ("operator", "churn 3")
    assert (event.before, event.after) == ({"stage": "none"}, {"stage": "production", "token": "test"})


def test_a_taken_stage_is_409_until_it_is_forced(operator, versions):
    operator.post("/models/churn/versions/1/stage", {"stage": "production"})
    refused = operator.post("/models/churn/versions/2/stage", {"stage": "production"})

    assert (refused.status_code, refused.json()["code"]) == (409, "stage_taken")
    assert AuditEvent.objects.filter(action="model.promoted").count() == 1
    assert operator.post("/models/churn/versions/2/stage", {"stage": "production", "force": True}).status_code == 200
    assert operator.get("/models/churn/versions/1").json()["stage"] == "archived"


def test_viewers_do_not_promote(viewer, versions):
    assert viewer.post("/models/churn/versions/1/stage", {"stage": "production"}).status_code == 403
    assert not StageChange.objects.exists()


@pytest.mark.parametrize("body", [{"stage": "live"}, {"stage": "latest"}, {}, {"stage": "staging", "by": "me"}])
def test_what_is_no_promotion_is_422(operator, versions, body):
    assert operator.post("/models/churn/versions/1/stage", body).status_code == 422


def test_metadata_is_added(operator, versions):
    operator.post("/models/churn/versions/1/metadata", {"metadata": {"auc": 0.8}})
    found = operator.post("/models/churn/versions/1/metadata", {"metadata": {"rows": 10}})

    assert found.json()["metadata"] == {"auc": 0.8, "rows": 10}
