from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client

from stepwell.accounts import actions
from stepwell.accounts.models import Role, User
from tests.plugins.cast import client_of


def shown_link(response: object) -> str:
    return re.search(r'id="once"[^>]*>http://testserver(/login/[^<]+)<', response.content.decode())[1]


@pytest.mark.parametrize("who", ["as_bob", "as_charlie"])
def test_only_admins_see_and_change_people(who: str, bob: User, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(who)

    assert client.get("/people/").status_code == 403
    for path in ("invites/", f"{bob.pk}/role/", f"{bob.pk}/activity/", f"{bob.pk}/link/"):
        assert client.post(f"/people/{path}", {"role": "admin"}).status_code == 403
    bob.refresh_from_db()
    assert bob.role == Role.OPERATOR


def test_list_shows_everybody_with_role_and_latest_sign_in(as_alice: Client, bob: User) -> None:
    User.objects.create_user(username="gone", is_active=False)

    html = as_alice.get("/people/").content.decode()
    assert "bob" in html
    assert "never" in html
    assert "deactivated" in html


def test_list_takes_the_same_queries_for_any_number(
    as_alice: Client, bob: User, django_assert_max_num_queries: object
) -> None:
    for number in range(20):
        User.objects.create_user(username=f"person-{number}")

    with django_assert_max_num_queries(12):
        as_alice.get("/people/")


def test_invite_link_is_shown_once_and_works(as_alice: Client) -> None:
    response = as_alice.post("/people/invites/", {"role": "operator"})
    link = shown_link(response)

    assert "no-store" in response["Cache-Control"]
    assert link not in as_alice.get("/people/").content.decode()
    assert "Join" in Client().get(link).content.decode()


def test_invite_with_an_unknown_role_is_refused(as_alice: Client) -> None:
    assert as_alice.post("/people/invites/", {"role": "owner"}).status_code == 422


def test_sign_in_link_for_somebody_else_signs_them_in(as_alice: Client, bob: User, client: Client) -> None:
    link = shown_link(as_alice.post(f"/people/{bob.pk}/link/"))
    client.post(link)

    assert "bob" in client.get("/me/").content.decode()


def test_role_change_acts_on_the_next_request(as_alice: Client, bob: User) -> None:
    as_alice.post(f"/people/{bob.pk}/role/", {"role": "admin"})
    promoted = client_of(User.objects.get(pk=bob.pk))
    assert promoted.get("/people/").status_code == 200
    as_alice.post(f"/people/{bob.pk}/role/", {"role": "viewer"})

    assert promoted.get("/people/").status_code in {302, 403}


def test_nobody_changes_their_own_role_and_the_last_admin_stays(as_alice: Client, alice: User, bob: User) -> None:
    assert as_alice.post(f"/people/{alice.pk}/role/", {"role": "viewer"}).status_code == 409
    assert as_alice.post(f"/people/{alice.pk}/activity/").status_code == 409
    actions.change_role(user=bob, role=Role.ADMIN, by=None)
    assert as_alice.post(f"/people/{alice.pk}/role/", {"role": "viewer"}).status_code == 403

    alice.refresh_from_db()
    assert (alice.role, alice.is_active) == (Role.ADMIN, True)


def test_refusal_says_what_to_do(as_alice: Client, alice: User) -> None:
    response = as_alice.post(f"/people/{alice.pk}/role/", {"role": "viewer"})

    assert "Make somebody else an admin first" in response.content.decode()


def test_deactivated_person_is_out_at_once_and_back_only_by_signing_in(as_alice: Client, bob: User) -> None:
    session = client_of(bob)
    assert session.get("/me/").status_code == 200
    as_alice.post(f"/people/{bob.pk}/activity/")
    assert session.get("/me/").status_code == 302
    as_alice.post(f"/people/{bob.pk}/activity/", {"active": "on"})

    assert session.get("/me/").status_code == 302
    assert User.objects.get(pk=bob.pk).is_active


def test_unknown_person_is_not_found(as_alice: Client) -> None:
    assert as_alice.post(f"/people/{uuid4()}/role/", {"role": "viewer"}).status_code == 404


def test_changes_need_post(as_alice: Client, bob: User) -> None:
    for path in ("role/", "activity/", "link/"):
        assert as_alice.get(f"/people/{bob.pk}/{path}").status_code == 405
