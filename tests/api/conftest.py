"""Callers of the API: each with a token of their own, and one pipeline to call about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from stepwell.accounts import actions
from stepwell.accounts.models import Role, User
from stepwell.pipelines.models import Pipeline
from tests.execution.make import make_snapshot


class Caller:
    """A client that sends one person's token. ``answer`` is the parsed body of the newest response."""

    def __init__(self, user: User, *, role: str | None = None) -> None:
        self.user = user
        self.row, self.raw = actions.make_token(user=user, name="test", role=role or user.role)
        self._client = Client(headers={"Authorization": f"Bearer {self.raw}"})

    def get(self, path: str, **options: Any) -> HttpResponse:
        return self._client.get(f"/api/v1{path}", **options)

    def post(self, path: str, body: Any = None, **options: Any) -> HttpResponse:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body)
        return self._client.post(f"/api/v1{path}", content, content_type="application/json", **options)

    def patch(self, path: str, body: Any) -> HttpResponse:
        return self._client.patch(f"/api/v1{path}", json.dumps(body), content_type="application/json")

    def put(self, path: str, body: Any) -> HttpResponse:
        return self._client.put(f"/api/v1{path}", json.dumps(body), content_type="application/json")

    def delete(self, path: str) -> HttpResponse:
        return self._client.delete(f"/api/v1{path}")


@pytest.fixture
def people(db) -> dict[str, User]:
    return {role: actions.make_user(name=role, role=role) for role in Role.values}


@pytest.fixture
def viewer(people) -> Caller:
    return Caller(people["viewer"])


@pytest.fixture
def operator(people) -> Caller:
    return Caller(people["operator"])


@pytest.fixture
def pipeline(db) -> Pipeline:
    return make_snapshot().pipeline
