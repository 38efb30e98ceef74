"""Service accounts: they own tokens, and nobody signs in with one."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts import actions
from stepwell.accounts.models import ApiToken, AuditEvent, User
from stepwell.errors import Conflict
from tests.web.page import read
from tests.web.test_tokens import shown_token


def make(client: Client, **values: str) -> object:
    return client.post("/people/services/", {"name": "build-server", "role": "operator", **values})


def test_an_admin_makes_one_and_a_token_for_it_that_works(as_alice: Client) -> None:
    assert make(as_alice).status_code == 302
    service = User.objects.get(username="build-server")
    assert (service.is_service, service.has_usable_password(), service.role) == (True, False, "operator")
    values = {"name": "ci", "role": "operator", "days": "30", "owner": str(service.pk)}
    raw = shown_token(as_alice.post("/tokens/new/", values))

    told = Client(headers={"Authorization": f"Bearer {raw}"}).get("/api/v1/me").json()
    assert (told["user"], told["role"]) == ("build-server", "operator")
    assert AuditEvent.objects.get(action="token.made").actor_name == "alice"
    assert AuditEvent.objects.get(action="service.made").object_name == "build-server"
    actions.set_active(user=service, active=False, by=None)
    assert Client(headers={"Authorization": f"Bearer {raw}"}).get("/api/v1/me").status_code == 401
    assert "build-server deactivated" in read(as_alice.get("/tokens/")).one("tbody").text


def test_its_token_has_no_more_than_its_role(as_alice: Client) -> None:
    make(as_alice, role="viewer")
    service = User.objects.get(username="build-server")
    response = as_alice.post("/tokens/new/", {"name": "ci", "role": "admin", "days": "", "owner": str(service.pk)})

    assert response.status_code == 422
    assert "cannot have the role admin" in response.content.decode()
    assert not ApiToken.objects.exists()


def test_nobody_signs_in_with_one(as_alice: Client, client: Client) -> None:
    make(as_alice)
    service = User.objects.get(username="build-server")

    assert client.post("/login/", {"name": "build-server", "password": ""}).status_code == 422
    assert as_alice.post(f"/people/{service.pk}/link/").status_code == 409
    with pytest.raises(Conflict):
        actions.make_login_link(user=service)
    row = read(as_alice.get("/people/")).one("tbody", class_="people")
    assert "build-server service" in row.text


def test_only_admins_make_them_and_choose_owners(as_alice: Client, as_bob: Client) -> None:
    assert make(as_bob).status_code == 403
    make(as_alice)
    service = User.objects.get(username="build-server")
    as_bob.post("/tokens/new/", {"name": "ci", "role": "viewer", "days": "", "owner": str(service.pk)})

    assert ApiToken.objects.get().user.username == "bob"


def test_a_service_is_not_the_admin_who_has_to_stay(as_alice: Client, alice: User) -> None:
    make(as_alice, role="admin")

    with pytest.raises(Conflict):
        actions.set_active(user=alice, active=False, by=None)


def test_a_name_that_is_taken_or_does_not_do_is_said(as_alice: Client) -> None:
    assert make(as_alice, name="ALICE").status_code == 422
    assert make(as_alice, name="a b<").status_code == 422
    assert make(as_alice, role="king").status_code == 422
    assert not User.objects.filter(is_service=True).exists()
