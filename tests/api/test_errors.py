"""Errors and bodies: one shape, no internals, strict JSON within limits."""

from __future__ import annotations

import json
import time

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from stepwell.api.bodies import BodyRefused, read_json
from stepwell.runs.models import Run

pytestmark = pytest.mark.django_db


def start(caller, body):
    return caller.post("/pipelines/train/runs", body)


def test_unknown_addresses_answer_in_the_same_shape(viewer):
    for path in ("/", "/nothing", "/runs/1/nothing/at/all", "/openapi"):
        response = viewer.get(path)
        answer = response.json()
        assert (response.status_code, answer["code"]) == (404, "not_found"), path
        assert set(answer) == {"code", "message", "hint", "request_id"}


def test_unknown_addresses_look_like_known_ones_to_strangers():
    assert Client().get("/api/v1/nothing").status_code == 401
    assert Client().get("/api/v1/openapi.json").status_code == 401
    assert Client().delete("/api/v1/runs").status_code == 401


def test_wrong_method_names_the_right_ones(viewer):
    response = viewer._client.delete("/api/v1/runs")

    assert response.status_code == 405
    assert response["Allow"] == "GET"
    assert response.json()["hint"] == "Use GET."


def test_every_answer_is_private_and_has_a_request_id(viewer):
    for response in (viewer.get("/me"), viewer.get("/nothing"), Client().get("/api/v1/me")):
        assert response["Cache-Control"] == "no-store"
        assert len(response["Stepwell-Request-Id"]) == 32
    error = viewer.get("/runs/999999")
    assert error.json()["request_id"] == error["Stepwell-Request-Id"]


def test_unexpected_errors_show_nothing_of_the_inside(viewer, monkeypatch, caplog):
    monkeypatch.setattr("stepwell.api.runs.find_run", lambda ref: 1 / 0)

    response = viewer.get("/runs/1")
    text = response.content.decode()

    assert response.status_code == 500
    assert response.json()["code"] == "error"
    assert "division" not in text
    assert "Traceback" not in text
    assert "ZeroDivisionError" in caplog.text
    assert response.json()["request_id"] in caplog.text


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_503_with_retry_after(viewer, monkeypatch, kind):
    def fail(ref):
        raise kind("database is locked")

    monkeypatch.setattr("stepwell.api.runs.find_run", fail)
    response = viewer.get("/runs/1")

    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert "locked" not in response.content.decode()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_is_taken(operator, pipeline, content_type):
    response = operator._client.generic("POST", "/api/v1/pipelines/train/runs", "{}", content_type=content_type)

    assert response.status_code == 415
    assert response.json()["code"] == "media_type"
    assert not Run.objects.exists()


def test_a_body_over_2_mib_is_413(operator, pipeline):
    response = start(operator, b'{"name": "' + b"x" * (2 * 1024 * 1024) + b'"}')

    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"parameters": {"rows": NaN}}',
        b'{"parameters": {"rows": Infinity}}',
        b'{"parameters": {"rows": -Infinity}}',
        b'{"parameters": {"rows": 1e400}}',
        b'{"parameters": {"rows": ' + b"9" * 5000 + b"}}",
        b'{"parameters": {"rows": 1}, "parameters": {"rows": 2}}',
        b'{"parameters": {"rows": "\\u0000"}}',
        b'{"parameters": {"a\\u0000b": 1}}',
        b'{"parameters": {"rows": "\\ud800"}}',
        b'{"tags": ["\\ud800"]}',
        b'{"name": ""}',
        b'{"name": "   "}',
        b'{"name": "' + b"x" * 256 + b'"}',
        b'{"tags": [1]}',
        b'{"tags": "a"}',
        b'{"steps": {"train": {"retry": {"max_retries": -1}}}}',
        b'{"steps": {"train": {"timeout": "soon"}}}',
        b'{"steps": {"train": {"fence": 7}}}',
        b'{"owner": "me"}',
        b'{"status": "completed"}',
        b'{"is_superuser": true}',
        b"[" * 100_000,
        b'{"parameters": ' + b'{"a": ' * 40 + b"1" + b"}" * 41,
    ],
)
def test_bodies_that_do_not_fit_are_422_and_start_nothing(operator, pipeline, body):
    response = start(operator, body)

    assert response.status_code == 422, response.content
    assert response.json()["message"]
    assert not Run.objects.exists()


def test_errors_name_the_fields(operator, pipeline):
    body = {"owner": 1, "steps": {"train": {"retry": {"max_retries": -1}}}, "tags": ["x" * 101]}
    answer = start(operator, body).json()

    assert answer["code"] == "invalid"
    assert set(answer["fields"]) == {"owner", "steps.train.retry.max_retries", "tags.0"}


def test_parameters_that_do_not_fit_are_named(operator, pipeline):
    answer = start(operator, {"parameters": {"rows": "many", "columns": 2}}).json()

    assert answer["code"] == "parameters"
    assert set(answer["fields"]) == {"rows", "columns"}
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"parameters": {"rows": 1}, "parameters": {"rows": 2}}', "twice"),
        (b'{"parameters": {"rows": 1, "rows": 2}}', "twice"),
        (b'{"parameters": {"rows": NaN}}', "NaN"),
        (b'{"parameters": {"rows": -Infinity}}', "Infinity"),
        (b'{"parameters": {"rows": 1e400}}', ""),
        (b'{"parameters": {"name": "\\ud800"}}', ""),
        (b'{"parameters": {"name": "\\u0000"}}', ""),
        (b"\xff\xfe", "not valid JSON"),
    ],
)
def test_a_body_is_read_strictly(operator, pipeline, body, why):
    answer = start(operator, body)

    assert answer.status_code == 422
    assert why in answer.json()["message"]
    with pytest.raises(BodyRefused):
        read_json(body)
    assert not Run.objects.exists()


def test_32_levels_pass_and_33_do_not():
    def nested(levels):
        return json.dumps(eval("[" * levels + "]" * levels)).encode()

    assert read_json(nested(32))
    with pytest.raises(BodyRefused, match="deeper than 32"):
        read_json(nested(33))


@pytest.mark.parametrize("body", [b"[" * 2_000_000, b'{"a":' * 400_000, b"[" + b"1," * 500_000 + b"1]"])
def test_hostile_bodies_are_refused_quickly(body):
    begun = time.perf_counter()
    with pytest.raises(BodyRefused):
        read_json(body)

    assert time.perf_counter() - begun < 2
