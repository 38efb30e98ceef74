"""Who is let in: tokens, sessions, roles, CSRF."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from stepwell.accounts import actions
from stepwell.accounts.models import ApiToken, AuditEvent, Role
from stepwell.api import auth
from stepwell.api.app import api
from stepwell.api.auth import SessionAuth, TokenAuth
from stepwell.kit.allowance import Allowances
from stepwell.runs.models import Run
from tests.api.conftest import Caller
from tests.execution.make import make_run

pytestmark = pytest.mark.django_db


def operations():
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                yield f"{operation.methods[0]} {router.prefix}{path}", operation


@pytest.mark.parametrize(("name", "operation"), [pytest.param(*found, id=found[0]) for found in operations()])
def test_every_operation_takes_tokens_and_sessions_and_names_a_role(name, operation):
    kinds = {type(auth) for auth in operation.auth_callbacks}
    roles = {auth.role for auth in operation.auth_callbacks}

    assert kinds == {TokenAuth, SessionAuth}
    method, path = name.split()
    if path.startswith("/secrets") or (path.startswith("/components") and method != "GET"):
        assert roles == {Role.ADMIN}
    else:
        assert roles == {Role.VIEWER if method == "GET" else Role.OPERATOR}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer ",
        "Bearer nothing",
        "Bearer sw_" + "A" * 43,
        "Bearer \u00e9",
        "Basic YWRtaW46YWRtaW4=",
        "bearer" + " x" * 5000,
        "garbage",
    ],
)
def test_without_a_token_that_works_every_call_gets_the_same_401(header):
    client = Client(headers={"Authorization": header.encode("utf-8").decode("latin-1")} if header else {})
    response = client.get("/api/v1/runs")
    answer = response.json()
    del answer["request_id"]

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert answer == {
        "code": "not_signed_in",
        "message": "You are not signed in.",
        "hint": "Send a valid token as “Authorization: Bearer …”, or sign in.",
    }


@pytest.mark.parametrize("change", ["expired", "revoked", "user switched off"])
def test_a_token_that_ended_gets_401_from_the_next_call_on(people, change):
    caller = Caller(people["operator"])
    assert caller.get("/me").status_code == 200

    if change == "expired":
        ApiToken.objects.filter(id=caller.row.id).update(expires_at=timezone.now() - timedelta(seconds=1))
    elif change == "revoked":
        actions.revoke_token(token=caller.row, by=None)
    else:
        actions.set_active(user=caller.user, active=False, by=people["admin"])

    assert caller.get("/me").status_code == 401


def test_a_wrong_token_is_not_made_good_by_a_session(people):
    client = Client(headers={"Authorization": "Bearer wrong"})
    client.force_login(people["admin"])

    assert client.get("/api/v1/me").status_code == 401


def test_a_token_in_the_address_is_not_taken(people):
    raw = Caller(people["admin"]).raw

    assert Client().get("/api/v1/me", {"token": raw, "key": raw, "api_key": raw}).status_code == 401


def test_a_viewer_cannot_change_anything(viewer, pipeline):
    run = make_run({"a": []})

    for path in (f"/pipelines/{pipeline.slug}/runs", f"/runs/{run.number}/cancellation", f"/runs/{run.number}/reruns"):
        response = viewer.post(path, {})
        assert response.status_code == 403
        assert response.json()["code"] == "denied"
    assert Run.objects.count() == 1
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_what_was_deleted_and_what_never_was_look_alike(viewer):
    run = make_run({"a": []})
    deleted, never = str(run.id), "01890000-0000-7000-8000-000000000000"
    assert viewer.get(f"/runs/{deleted}/steps/a").status_code == 200
    run.steps.all().delete()
    run.delete()

    for path in ("/runs/{}", "/runs/{}/steps", "/runs/{}/steps/a", "/runs/{}/events", "/runs/{}/waits", "/steps/{}"):
        told = []
        for ref in (deleted, never):
            response = viewer.get(path.format(ref))
            assert response.status_code == 404, path
            told.append(response.json()["message"].replace(ref, "…"))
        assert told[0] == told[1]


def test_no_body_takes_a_key_it_does_not_name():
    schema = api.get_openapi_schema()
    shapes = schema["components"]["schemas"]
    seen, ahead = (
        set(),
        [
            operation["requestBody"]["content"]["application/json"]["schema"]
            for path in schema["paths"].values()
            for operation in path.values()
            if "requestBody" in operation
        ],
    )
    while ahead:
        shape = ahead.pop()
        if isinstance(shape, list):
            ahead += shape
        elif isinstance(shape, dict):
            if "$ref" in shape and shape["$ref"] not in seen:
                seen.add(shape["$ref"])
                ahead.append(shapes[shape["$ref"].rpartition("/")[2]])
            if "properties" in shape:
                assert shape.get("additionalProperties") is False, shape.get("title")
            ahead += [part for part in shape.values() if isinstance(part, (dict, list))]
    assert len(seen) > 10


def test_role_is_checked_before_the_body(viewer, pipeline):
    assert viewer.post(f"/pipelines/{pipeline.slug}/runs", b"{nonsense").status_code == 403


def test_a_token_never_gives_more_than_its_person_or_itself_may(people, pipeline):
    weak = Caller(people["admin"], role="viewer")
    demoted = Caller(people["operator"])
    actions.change_role(user=people["operator"], role="viewer", by=people["admin"])

    assert weak.get("/me").json()["role"] == "viewer"
    assert weak.post(f"/pipelines/{pipeline.slug}/runs", {}).status_code == 403
    assert demoted.get("/me").json()["role"] == "viewer"
    assert demoted.post(f"/pipelines/{pipeline.slug}/runs", {}).status_code == 403


def test_who_asks_too_often_is_told_when_to_come_back_and_others_are_unharmed(people, operator, viewer, monkeypatch):
    monkeypatch.setattr(auth, "WRITES", Allowances(burst=3, rate=0.5))
    answers = [operator.post("/runs/1/cancellation") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
    assert answers[-1].json()["code"] == "too_many"
    assert answers[-1]["Retry-After"] == "2"
    assert operator.get("/me").status_code == 200
    assert Caller(people["operator"]).post("/runs/1/cancellation").status_code == 404


def test_reading_is_limited_too(viewer, monkeypatch):
    monkeypatch.setattr(auth, "READS", Allowances(burst=1, rate=1))

    assert [viewer.get("/me").status_code for _ in range(2)] == [200, 429]


def test_me_names_the_token(operator):
    answer = operator.get("/me").json()

    assert answer == {"user": "operator", "role": "operator", "token": "test", "expires_at": None}


class TestSession:
    @pytest.fixture
    def client(self, people):
        client = Client(enforce_csrf_checks=True)
        client.force_login(people["operator"])
        return client

    def test_reads_without_more(self, client):
        assert client.get("/api/v1/me").json()["token"] is None

    @pytest.mark.parametrize("path", ["/pipelines/train/runs", "/runs/1/cancellation", "/runs/1/reruns"])
    @pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
    def test_changes_nothing_without_the_csrf_token(self, client, pipeline, path, content_type):
        response = client.post(f"/api/v1{path}", "{}", content_type=content_type)

        assert response.status_code == 403
        assert response.json()["code"] == "csrf"
        assert not Run.objects.exists()

    def test_changes_nothing_from_another_site(self, client, pipeline):
        token = self.csrf(client)
        response = self.start(client, token, origin="https://evil.example")

        assert response.status_code == 403
        assert not Run.objects.exists()

    def test_starts_a_run_with_the_csrf_token(self, client, pipeline):
        response = self.start(client, self.csrf(client))

        assert response.status_code == 201
        assert AuditEvent.objects.get(action="run.started").actor_name == "operator"

    def test_an_anonymous_post_gets_401_not_403(self, pipeline):
        response = Client(enforce_csrf_checks=True).post(
            "/api/v1/pipelines/train/runs", "{}", content_type="application/json"
        )

        assert response.status_code == 401

    @staticmethod
    def csrf(client):
        page = client.get("/api/docs").content.decode()
        return page.split('data-csrf-token="')[1].split('"')[0]

    @staticmethod
    def start(client, token, **headers):
        return client.post(
            "/api/v1/pipelines/train/runs",
            "{}",
            content_type="application/json",
            headers={"X-CSRFToken": token, **headers},
        )
