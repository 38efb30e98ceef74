"""What holds for every address: reading changes nothing, other sites get nothing, every answer has its headers."""

from __future__ import annotations

import re
import runpy
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings

from stepwell.accounts import actions
from stepwell.accounts.models import AuditEvent, User
from stepwell.conf import settings as settings_module
from tests.plugins.cast import PASSWORD
from tests.web.crawl import Crawl, addresses, rows
from tests.web.test_access_list import places

pytestmark = pytest.mark.django_db

#: what a form of another site can send without being asked first, and what scripts send
TYPES = ("application/x-www-form-urlencoded", "text/plain", "application/json")


def refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Stand in for the page that says a form is out of date."""
    return HttpResponse("no token", status=403)


def test_reading_every_address_changes_no_row(crawled: Crawl) -> None:
    assert len(crawled.answers) > 550
    assert sum(1 for answer in crawled.answers if (answer.method, answer.status) == ("get", 200)) > 60
    assert [(answer.method, answer.path) for answer in crawled.answers if answer.status >= 500] == []
    assert crawled.changed == {}


def test_no_answer_opens_itself_to_another_site(crawled: Crawl) -> None:
    for answer in crawled.answers:
        opened = [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert not opened, (answer.method, answer.path, opened)


def test_every_answer_has_the_headers_that_bind_the_browser(crawled: Crawl) -> None:
    for answer in crawled.answers:
        headers, told = answer.headers, (answer.method, answer.path)
        assert headers["X-Content-Type-Options"] == "nosniff", told
        assert headers["Referrer-Policy"] in {"same-origin", "no-referrer", "strict-origin"}, told
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", told
        assert "unsafe-inline" not in headers["Content-Security-Policy"], told
        assert "unsafe-eval" not in headers["Content-Security-Policy"], told
        assert "no-store" in headers.get("Cache-Control", ""), told
        assert "camera=()" in headers["Permissions-Policy"], told
        assert "Server" not in headers, told


def test_methods_nobody_uses_are_refused(as_alice: Client) -> None:
    for path in addresses():
        for method in ("TRACE", "CONNECT", "PROPFIND"):
            assert as_alice.generic(method, path).status_code in {400, 404, 405, 501}, (method, path)
    assert not AuditEvent.objects.exists()


def test_no_address_does_anything_without_the_token_of_a_form(alice: User, settings) -> None:
    settings.CSRF_FAILURE_VIEW = f"{__name__}.refused"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    paths = {place.path for place in places() if not place.path.startswith("/api/v1/")}
    before = rows()
    for path in paths:
        response = strict.post(path, "{}", content_type=TYPES[0])
        assert (response.status_code, response.content) == (403, b"no token"), path

    operations = [(method, path) for path, known in described(strict).items() for method in known if method != "get"]
    for method, path in operations:
        for content_type in TYPES:
            response = strict.generic(method.upper(), path, "{}", content_type=content_type)
            assert (response.status_code, response.json()["code"]) == (403, "csrf"), (method, path, content_type)
    assert len(operations) > 20
    assert rows() == before


def described(client: Client) -> dict[str, Any]:
    """Return what the API's description says there is: methods by address."""
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    return {re.sub(r"{\w+}", "sample", path): known for path, known in paths.items()}


def test_somebody_switched_off_gets_nowhere(as_bob: Client, bob: User) -> None:
    _, raw = actions.make_token(user=bob, name="test", role="operator")
    with_token = Client(headers={"Authorization": f"Bearer {raw}"})
    assert (as_bob.get("/runs/").status_code, with_token.get("/api/v1/runs").status_code) == (200, 200)
    paths = addresses()
    actions.set_active(user=bob, active=False, by=None)

    for path in paths:
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
