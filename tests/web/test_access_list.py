"""Every address there is: who may open it is written down, and held."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.urls.resolvers import RegexPattern

from stepwell.accounts.models import Role
from stepwell.web import errors, settings_pages
from stepwell.web.access import PUBLIC, access_of

_SAMPLES = {
    "uuid": "01890000-0000-7000-8000-000000000000",
    "int": "1",
    "str": "sample",
    "slug": "sample",
    "path": "sample/file",
}
_CONVERTER = re.compile(r"<(?:(\w+):)?\w+>")
_GROUP = re.compile(r"\(\?P<\w+>([^()]*)\)")


@dataclass(frozen=True)
class Place:
    """One pattern of the whole URL resolver, with a path that reaches it."""

    path: str
    namespaces: tuple[str, ...]
    view: Any

    @property
    def access(self) -> str | None:
        return access_of(self.view, list(self.namespaces))


def places() -> list[Place]:
    return list(_walk(get_resolver().url_patterns, "/", ()))


def _walk(patterns: list[Any], prefix: str, namespaces: tuple[str, ...]) -> Iterator[Place]:
    for pattern in patterns:
        path = prefix + _sample(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield Place(path, namespaces, pattern.callback)
        else:
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from _walk(pattern.url_patterns, path, inner)


def _sample(pattern: Any) -> str:
    if isinstance(pattern, RegexPattern):
        first = _GROUP.sub(lambda match: "sample" if match[1] == ".*" else match[1].split("|")[0], str(pattern))
        return first.strip("^$")
    return _CONVERTER.sub(lambda match: _SAMPLES[match[1] or "str"], str(pattern))


def unlisted() -> list[str]:
    return [place.path for place in places() if place.access is None]


def ask(client: Client, place: Place) -> Any:
    """Ask for a place with a method it knows."""
    response = client.get(place.path)
    if response.status_code == 405:
        response = client.generic(response["Allow"].split(", ")[0], place.path)
    return response


def test_every_view_is_on_the_access_list() -> None:
    assert unlisted() == []


def test_the_walk_sees_every_front_door() -> None:
    paths = {place.path for place in places()}

    assert {"/", "/login/", "/runs/", "/settings/", "/secrets/", "/audit/", "/admin/"} <= paths
    assert any(path.startswith("/api/v1/") for path in paths)
    assert len(paths) > 40


def test_view_without_listing_is_found_and_refused(as_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(settings_pages.settings, "access")

    assert unlisted() == ["/settings/"]
    assert as_alice.get("/settings/").status_code == 403


def test_only_signing_in_and_out_and_the_probe_are_public() -> None:
    public = {place.path for place in places() if place.access == PUBLIC}

    assert public == {"/login/", "/login/sample/", "/logout/", "/healthz", "/readyz"}


def test_anonymous_gets_to_the_sign_in_page_or_a_401_everywhere_else(client: Client, db: None) -> None:
    wrong = []
    for place in places():
        if place.access == PUBLIC:
            continue
        response = ask(client, place)
        sent_to_sign_in = response.status_code == 302 and response["Location"].startswith("/login/?")
        if not sent_to_sign_in and response.status_code != 401:
            wrong.append((place.path, response.status_code))

    assert wrong == []


@pytest.fixture
def _bare_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of errors without the frame, which costs more than all that is asked here."""
    monkeypatch.setattr(errors, "render", lambda request, template, context, status: HttpResponse(status=status))


@pytest.mark.usefixtures("_bare_errors")
def test_viewer_gets_403_on_every_admin_page(as_charlie: Client) -> None:
    admin = [place for place in places() if place.access == Role.ADMIN]
    wrong = [place.path for place in admin if ask(as_charlie, place).status_code != 403]

    assert wrong == []
    assert {"/admin/", "/admin/accounts/user/", "/settings/", "/people/", "/secrets/", "/audit/"} <= {
        place.path for place in admin
    }


@pytest.mark.usefixtures("_bare_errors")
def test_viewer_cannot_do_what_needs_an_operator(as_charlie: Client) -> None:
    for place in places():
        if place.access == Role.OPERATOR:
            assert ask(as_charlie, place).status_code == 403


def test_private_pages_are_not_kept_by_the_browser(as_alice: Client) -> None:
    for path in ("/settings/", "/secrets/", "/me/", "/tokens/", "/people/", "/audit/", "/admin/"):
        assert "no-store" in as_alice.get(path)["Cache-Control"], path
