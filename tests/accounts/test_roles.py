"""The table of who may do what: every address is in it, and every address holds to it."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import ROLE_ORDER, Role
from stepwell.accounts.roles import ACTS, ENVIRONMENT, act_at
from tests.api.conftest import Caller, people
from tests.api.test_access import operations
from tests.plugins.cast import client_of
from tests.web.test_access_list import ask, places

__all__ = ["people"]

#: what is there for everybody, signed in or not
_OPEN = {"/login/", "/login/sample/", "/logout/", "/healthz", "/readyz"}


def pages() -> list[tuple[str, object]]:
    return [(f"PAGE {place.path}", place) for place in places() if place.access != "own" and place.path not in _OPEN]


def calls() -> list[tuple[str, object]]:
    return [(name.replace(" ", " /api/v1", 1).replace("{", "").replace("}", ""), found) for name, found in operations()]


def test_every_page_is_in_the_table_with_the_role_its_view_asks_for() -> None:
    wrong = [(name, place.access, act_at(name)) for name, place in pages() if act_at(name).role != place.access]

    assert len(pages()) > 60
    assert wrong == []


def test_every_operation_is_in_the_table_with_the_role_it_asks_for() -> None:
    wrong = [
        (name, act_at(name))
        for name, found in calls()
        if act_at(name) is None or {auth.role for auth in found.auth_callbacks} != {act_at(name).role}
    ]

    assert len(calls()) > 30
    assert wrong == []


def test_every_act_of_the_table_is_done_somewhere() -> None:
    done = {act_at(name).name for name, _ in (*pages(), *calls())}

    assert done == {act.name for act in ACTS if act is not ENVIRONMENT}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_has_less_is_refused_everywhere(people, role: str) -> None:
    client, caller = client_of(people[role]), Caller(people[role])
    seen = 0
    for name, place in pages():
        if ROLE_ORDER.index(act_at(name).role) > ROLE_ORDER.index(role):
            seen += 1
            assert ask(client, place).status_code == 403, name
    for name, _ in calls():
        if ROLE_ORDER.index(act_at(name).role) > ROLE_ORDER.index(role):
            seen += 1
            method, path = name.split(" ")
            response = Client(headers={"Authorization": f"Bearer {caller.raw}"}).generic(method, path)
            assert (response.status_code, response.json()["code"]) == (403, "denied"), name

    assert seen > 40


def test_who_has_enough_is_let_in(people) -> None:
    for role in ROLE_ORDER:
        client, caller = client_of(people[role]), Caller(people[role])
        for name, place in pages():
            if act_at(name).role == role and not place.path.startswith("/admin/"):
                assert ask(client, place).status_code not in {401, 403}, (role, name)
        for name, _ in calls():
            if act_at(name).role == role:
                method, path = name.split(" ")
                response = Client(headers={"Authorization": f"Bearer {caller.raw}"}).generic(method, path)
                assert response.status_code not in {401, 403}, (role, name)
