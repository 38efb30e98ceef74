"""What holds for every address: reading changes nothing, other sites get nothing, every answer has its headers."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from stepwell.accounts.models import AuditEvent
from tests.execution.make import make_run, queue
from tests.web.test_access_list import places

pytestmark = pytest.mark.django_db

#: what reading may write: sessions, and the one row of settings, made when it is first read
_MAY_CHANGE = {"sessions.Session", "accounts.InstanceSettings"}


def rows() -> dict[str, list[Any]]:
    return {
        model._meta.label: sorted(model.objects.values_list(), key=repr)
        for model in apps.get_models()
        if model._meta.managed and model._meta.label not in _MAY_CHANGE
    }


@pytest.fixture
def addresses(db) -> list[str]:
    """Every address there is, those of one run filled in."""
    run = make_run({"a": []})
    queue(run, "a")
    real = {"sample": str(run.number), "01890000-0000-7000-8000-000000000000": str(run.id)}
    found = {place.path for place in places()}
    for path in list(found):
        for sample, value in real.items():
            found.add(path.replace(sample, value))
    return sorted(found)


def test_reading_every_address_changes_no_row(as_alice: Client, addresses: list[str]) -> None:
    before = rows()
    for path in addresses:
        for method in (as_alice.get, as_alice.head, as_alice.options):
            assert method(path).status_code < 500, path

    after = rows()
    assert {label: after[label] for label in after if after[label] != before[label]} == {}


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://testserver.evil.example"])
def test_no_answer_opens_itself_to_another_site(as_alice: Client, addresses: list[str], origin: str) -> None:
    for path in addresses:
        for response in (
            as_alice.get(path, headers={"Origin": origin}),
            as_alice.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}),
        ):
            opened = [name for name in response.headers if name.lower().startswith("access-control-")]
            assert not opened, (path, opened)


def test_every_answer_has_the_headers_that_bind_the_browser(as_alice: Client, addresses: list[str]) -> None:
    for path in addresses:
        response = as_alice.get(path)
        assert response["X-Content-Type-Options"] == "nosniff", path
        assert response["Referrer-Policy"] in {"same-origin", "no-referrer", "strict-origin"}, path
        assert response["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert "unsafe-inline" not in response["Content-Security-Policy"], path
        assert "unsafe-eval" not in response["Content-Security-Policy"], path
        assert "no-store" in response.get("Cache-Control", ""), path
        assert "Server" not in response, path


def test_methods_nobody_uses_are_refused(as_alice: Client, addresses: list[str]) -> None:
    for path in addresses:
        for method in ("TRACE", "CONNECT", "PROPFIND"):
            assert as_alice.generic(method, path).status_code in {400, 404, 405, 501}, (method, path)
    assert not AuditEvent.objects.exists()
