"""What holds for every address: reading changes nothing, other sites get nothing, every answer has its headers."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
from django.apps import apps
from django.test import Client, override_settings

from stepwell.accounts import actions
from stepwell.accounts.models import AuditEvent, User
from stepwell.conf import settings as settings_module
from tests.execution.make import make_run, queue
from tests.plugins.cast import PASSWORD
from tests.web.test_access_list import places

pytestmark = pytest.mark.django_db

#: what reading may write: sessions, and the one row of settings, made when it is first read
_MAY_CHANGE = {"sessions.Session", "accounts.InstanceSettings"}
OTHER_SITES = ["https://evil.example", "null", "http://testserver.evil.example"]


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


def test_no_answer_opens_itself_to_another_site(as_alice: Client, addresses: list[str]) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    for path in addresses:
        preflights = [as_alice.options(path, headers={"Origin": origin, **asked}) for origin in OTHER_SITES]
        for response in (as_alice.get(path, headers={"Origin": OTHER_SITES[0]}), *preflights):
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
        assert "camera=()" in response["Permissions-Policy"], path
        assert "Server" not in response, path


def test_methods_nobody_uses_are_refused(as_alice: Client, addresses: list[str]) -> None:
    for path in addresses:
        for method in ("TRACE", "CONNECT", "PROPFIND"):
            assert as_alice.generic(method, path).status_code in {400, 404, 405, 501}, (method, path)
    assert not AuditEvent.objects.exists()


def test_no_address_does_anything_without_the_token_of_a_form(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    before = rows()
    for path in {place.path for place in places()}:
        is_api = path.startswith("/api/v1/")
        for method in ("POST", "PUT", "PATCH", "DELETE") if is_api else ("POST",):
            # a form's types are those another site may send without being asked first
            for content_type in ("application/x-www-form-urlencoded", "text/plain", "application/json")[
                : 3 if is_api else 1
            ]:
                response = strict.generic(method, path, "{}", content_type=content_type)
                # 404 and 405: the API has no such address, or no such act there
                allowed = {403, 404, 405} if is_api else {403}
                assert response.status_code in allowed, (method, path, response.status_code)

    assert rows() == before


def test_somebody_switched_off_gets_nowhere(as_bob: Client, bob: User, addresses: list[str]) -> None:
    _, raw = actions.make_token(user=bob, name="test", role="operator")
    with_token = Client(headers={"Authorization": f"Bearer {raw}"})
    assert (as_bob.get("/runs/").status_code, with_token.get("/api/v1/runs").status_code) == (200, 200)
    actions.set_active(user=bob, active=False, by=None)

    for path in addresses:
        if path.startswith(("/login/", "/logout/", "/healthz", "/readyz")):
            continue
        expected = {401} if path.startswith("/api/v1/") else {302, 401}
        assert as_bob.get(path).status_code in expected, path
        assert with_token.get(path).status_code in expected, path


@pytest.fixture
def over_tls(monkeypatch: pytest.MonkeyPatch):
    """The settings of an instance behind TLS, in force."""
    monkeypatch.setenv("STEPWELL_TLS", "true")
    made = runpy.run_path(settings_module.__file__)
    names = [name for name in made if name.startswith(("SESSION_COOKIE", "CSRF_COOKIE", "SECURE_"))]
    with override_settings(**{name: made[name] for name in names}):
        yield


def test_over_tls_cookies_stay_there_and_out_of_reach(over_tls: None, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.get("/login/", secure=True)
    token = page.content.decode().split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    form = {"name": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token}
    response = client.post("/login/", form, secure=True, headers={"Referer": "https://testserver/login/"})

    assert response.status_code == 302
    assert set(client.cookies) == {"__Host-stepwell", "__Host-stepwell-csrf"}
    for cookie in client.cookies.values():
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax"), cookie.key
        assert (cookie["path"], cookie["domain"]) == ("/", ""), cookie.key
    assert "max-age=31536000" in response["Strict-Transport-Security"]


def test_a_password_everybody_knows_opens_nothing(client: Client, db: None) -> None:
    actions.first_admin()
    for name, password in (("admin", "admin"), ("admin", ""), ("admin", "stepwell"), ("root", "root")):
        assert client.post("/login/", {"name": name, "password": password}).status_code == 422
    assert client.get("/me/").status_code == 302


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "testserver@evil", "", "127.0.0.1:80:90"])
def test_only_names_of_the_settings_are_answered(as_alice: Client, host: str) -> None:
    for path in ("/", "/login/", "/api/v1/me", "/admin/"):
        assert as_alice.get(path, headers={"Host": host}).status_code == 400, path


def test_a_forwarding_header_changes_nobodys_address(client: Client, alice: User) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-Ip": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    client.post("/login/", {"name": "alice", "password": "wrong"}, headers=forged)
    client.post("/login/", {"name": "alice", "password": PASSWORD}, headers=forged)

    assert set(AuditEvent.objects.values_list("ip", flat=True)) == {"127.0.0.1"}


def test_what_breaks_shows_nothing_of_the_inside(as_alice: Client, monkeypatch, caplog) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        password = "canary-in-a-local"
        raise RuntimeError(f"canary-in-the-message {len(password)}")

    as_alice.raise_request_exception = False
    monkeypatch.setattr("stepwell.web.middleware._zone", fail)
    response = as_alice.get("/?token=canary-in-the-address")

    assert response.status_code == 500
    assert "canary" not in response.content.decode()
    assert "Traceback" not in response.content.decode()
    assert "canary-in-the-address" not in caplog.text
    assert "canary-in-a-local" not in caplog.text
