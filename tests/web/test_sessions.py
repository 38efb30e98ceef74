"""Where people are signed in: each sees and ends their own sessions, an admin those of others."""

from __future__ import annotations

import re

from django.contrib.sessions.models import Session
from django.test import Client

from stepwell.accounts import actions
from stepwell.accounts.models import AuditEvent, User
from tests.plugins.cast import PASSWORD
from tests.web.page import read


def sign_in(name: str, agent: str = "Browser/1") -> Client:
    client = Client(headers={"User-Agent": agent})
    assert client.post("/login/", {"name": name, "password": PASSWORD}).status_code == 302
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/me/").status_code == 200


def test_a_person_sees_their_sessions_and_ends_one(bob: User) -> None:
    here, there = sign_in("bob", "Here/1"), sign_in("bob", "<b>There</b>/2")
    page = here.get("/me/")
    rows = read(page).one("tbody").all("tr")

    assert len(rows) == 2
    assert [("this one" in row.text, "Here/1" in row.text) for row in rows] in ([(0, 0), (1, 1)], [(1, 1), (0, 0)])
    assert "<b>There" not in page.content.decode()
    assert "127.0.0.1" in rows[0].text
    for key in Session.objects.values_list("session_key", flat=True):
        assert key not in page.content.decode()
    (end,) = re.findall(r'href="(/me/sessions/\w+/)"', page.content.decode())
    assert here.post(end).status_code == 302
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    assert AuditEvent.objects.filter(action="session.ended", actor_name="bob", object_name="bob").count() == 1
    assert here.post(end).status_code == 404


def test_the_button_that_ends_a_session_asks_first_and_sends_what_is_asked_for(alice: User, bob: User) -> None:
    for person, address in ((alice, f"/people/{bob.pk}/sessions/"), (bob, "/me/")):
        there = sign_in("bob", "There/1")
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(person)
        page = read(strict.get(address))
        (row,) = [row for row in page.all("tr") if "There/1" in row.text]
        end = row.one("a")["href"]
        asked = read(strict.get(end))

        assert "from 127.0.0.1 on There/1, has to sign in again" in asked.one("main").text
        assert is_signed_in(there)
        token = asked.one("main").one("input", name="csrfmiddlewaretoken")["value"]
        assert strict.post(end, {"csrfmiddlewaretoken": token}).status_code == 302
        assert not is_signed_in(there)


def test_nobody_ends_a_session_of_somebody_else_here(bob: User, charlie: User) -> None:
    other = sign_in("charlie")
    (theirs,) = actions.list_sessions(charlie)

    assert sign_in("bob").post(f"/me/sessions/{theirs.ref}/").status_code == 404
    assert is_signed_in(other)


def test_an_admin_sees_and_ends_those_of_others(as_alice: Client, bob: User, as_charlie: Client) -> None:
    first, second = sign_in("bob", "One/1"), sign_in("bob", "Two/2")
    address = f"/people/{bob.pk}/sessions/"
    ends = re.findall(rf'href="({address}[0-9a-f]+/)"', as_alice.get(address).content.decode())

    assert len(ends) == 2
    for path in (f"{address}all/", *ends):
        assert as_charlie.post(path).status_code == 403
    as_alice.post(ends[0])
    assert sorted([is_signed_in(first), is_signed_in(second)]) == [False, True]
    assert "All their sessions end" in read(as_alice.get(f"{address}all/")).text
    as_alice.post(f"{address}all/")
    assert not is_signed_in(first)
    assert not is_signed_in(second)
    assert "Nobody is signed in" in as_alice.get(address).content.decode()
    assert set(AuditEvent.objects.filter(action__startswith="session").values_list("actor_name", flat=True)) == {
        "alice"
    }


def test_sessions_that_do_not_count_any_more_are_not_listed(bob: User) -> None:
    sign_in("bob")
    assert len(actions.list_sessions(bob)) == 1
    actions.change_role(user=bob, role="viewer", by=None)
    bob.refresh_from_db()

    assert actions.list_sessions(bob) == []
