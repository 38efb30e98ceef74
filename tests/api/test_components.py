"""Components over the API."""

from __future__ import annotations

import pytest

from stepwell.accounts.models import AuditEvent
from stepwell.stacks.models import Component
from tests.api.conftest import Caller
from tests.execution.make import make_run

pytestmark = pytest.mark.django_db
TRACKER = {
    "kind": "experiment_tracker",
    "flavor": "mlflow",
    "name": "local",
    "config": {"tracking_uri": "sqlite:////data/ml.db"},
}
OPERATOR = {"kind": "step_operator", "flavor": "subprocess", "name": "gpu", "config": {"environment": {"A": "hush"}}}


@pytest.fixture
def admin(people):
    return Caller(people["admin"])


def test_an_admin_adds_changes_and_removes_a_component(admin):
    made = admin.post("/components", TRACKER)
    assert made.status_code == 201
    assert made.json() == {"id": made.json()["id"], **TRACKER, "default": True}
    place = made["Location"].removeprefix("/api/v1")

    changed = admin.patch(place, {"config": {"tracking_uri": "/data/mlruns"}})
    assert changed.json()["config"] == {"tracking_uri": "/data/mlruns"}
    assert admin.get(place).json() == changed.json()
    second = admin.post("/components", {**TRACKER, "name": "other"}).json()
    assert second["default"] is False
    assert admin.patch(f"/components/{second['id']}", {"default": True}).json()["default"] is True
    assert admin.get(place).json()["default"] is False

    assert admin.delete(place).status_code == 204
    assert admin.get(place).status_code == 404
    assert AuditEvent.objects.filter(object_name="local").count() == 3


def test_lists_hold_the_artifact_store_and_can_be_narrowed(admin, viewer):
    admin.post("/components", TRACKER)
    kinds = [item["kind"] for item in viewer.get("/components").json()["items"]]
    assert kinds == ["artifact_store", "experiment_tracker"]
    narrowed = viewer.get("/components?kind=experiment_tracker").json()["items"]
    assert [item["name"] for item in narrowed] == ["local"]
    assert viewer.get("/components?sort=name").status_code == 422


def test_a_setting_that_does_not_fit_is_named(admin):
    answer = admin.post("/components", {**TRACKER, "config": {"tracking_uri": "mlruns"}})
    assert answer.status_code == 422
    assert "absolute folder" in answer.json()["fields"]["tracking_uri"]
    assert admin.post("/components", TRACKER).status_code == 201
    assert admin.post("/components", TRACKER).status_code == 409
    assert admin.post("/components", {**TRACKER, "flavor": "wandb"}).status_code == 404
    assert admin.post("/components", {**TRACKER, "kind": "artifact_store"}).status_code == 422


def test_values_of_variables_are_hidden_from_viewers(admin, operator, viewer):
    place = admin.post("/components", OPERATOR)["Location"].removeprefix("/api/v1")
    assert operator.get(place).json()["config"]["environment"] == {"A": "hush"}
    assert "hush" not in viewer.get(place).content.decode()
    assert "hush" not in viewer.get("/components").content.decode()


def test_only_admins_change_components(admin, operator):
    place = admin.post("/components", TRACKER)["Location"].removeprefix("/api/v1")
    assert operator.post("/components", OPERATOR).status_code == 403
    assert operator.patch(place, {"default": True}).status_code == 403
    assert operator.delete(place).status_code == 403
    assert Component.objects.count() == 1


def test_a_step_says_where_its_tracked_run_is(viewer):
    run = make_run({"train": [], "report": ["train"]})
    told = {"tracker": "local", "flavor": "mlflow", "experiment": "etl", "run_id": "abc", "place": "/d", "url": ""}
    run.steps.filter(invocation_id="train").update(metadata={"experiment_tracker": told})
    assert viewer.get(f"/runs/{run.id}/steps/train").json()["tracked_run"] == told
    assert viewer.get(f"/runs/{run.id}/steps/report").json()["tracked_run"] is None
