"""The documentation page: signed in, offline, inside the content security policy."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests.api.test_access import operations as declared

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(people):
    client = Client()
    client.force_login(people["viewer"])
    return client


def test_strangers_are_sent_to_the_login_page():
    response = Client().get("/api/docs")

    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=")


def test_everything_the_page_loads_is_ours_and_exists(client):
    page = client.get("/api/docs").content.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert any(path.endswith("swagger-ui-bundle.js") for path in loaded)
    for path in loaded:
        assert path.startswith("/static/"), path
        assert finders.find(path.removeprefix("/static/")), path


def test_the_page_needs_no_inline_script_or_style(client):
    response = client.get("/api/docs")
    page = response.content.decode()
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)

    assert "unsafe-inline" not in response["Content-Security-Policy"]
    assert all("src=" in attributes or 'type="application/json"' in attributes for attributes, _ in scripts)
    assert "<style" not in page
    assert not re.search(r"\son\w+=|style=", page)


def test_the_description_names_every_operation_its_errors_and_how_to_sign_in(client):
    schema = client.get("/api/v1/openapi.json").json()
    operations = {
        (method, path): operation for path, methods in schema["paths"].items() for method, operation in methods.items()
    }

    assert ("post", "/api/v1/pipelines/{ref}/runs") in operations
    assert ("get", "/api/v1/runs/{ref}/steps/{invocation_id}/attempts/{number}/log") in operations
    assert len(operations) == len(list(declared()))
    assert set(schema["components"]["securitySchemes"]) == {"TokenAuth", "SessionAuth"}
    for name, operation in operations.items():
        assert {"401", "403", "422"} <= {str(code) for code in operation["responses"]}, name
        assert operation["security"], name
        assert operation["summary"], name
