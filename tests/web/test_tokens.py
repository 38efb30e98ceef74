from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from stepwell.accounts import actions
from stepwell.accounts.models import ApiToken, Role, User


def make(client: Client, **values: str) -> object:
    return client.post("/tokens/new/", {"name": "ci", "role": "viewer", "days": "30", **values})


def shown_token(response: object) -> str:
    return re.search(r"sw_[\w-]{43}", response.content.decode())[0]


def test_token_is_shown_once_and_works(as_bob: Client, bob: User) -> None:
    response = make(as_bob, role="operator")
    raw = shown_token(response)

    assert "no-store" in response["Cache-Control"]
    user, token = actions.token_user(raw)
    assert (user, token.role) == (bob, Role.OPERATOR)
    assert raw not in as_bob.get("/tokens/").content.decode()
    assert token.prefix in as_bob.get("/tokens/").content.decode()


@pytest.mark.parametrize(("days", "expected"), [("7", 7), ("30", 30), ("90", 90), ("365", 365), ("", None)])
def test_expiry_is_as_chosen(as_bob: Client, days: str, expected: int | None) -> None:
    make(as_bob, days=days)

    expires_at = ApiToken.objects.get().expires_at
    if expected is None:
        assert expires_at is None
    else:
        assert abs(expires_at - timezone.now() - timedelta(days=expected)) < timedelta(minutes=1)


@pytest.mark.parametrize("values", [{"role": "admin"}, {"days": "3650"}, {"name": ""}, {"name": "x" * 101}])
def test_what_is_not_on_offer_makes_no_token(as_bob: Client, values: dict[str, str]) -> None:
    response = make(as_bob, **values)

    assert response.status_code == 422
    assert 'class="bad"' in response.content.decode()
    assert not ApiToken.objects.exists()


def test_roles_above_the_own_are_not_offered(as_charlie: Client, as_alice: Client) -> None:
    assert 'value="admin"' not in as_charlie.get("/tokens/").content.decode()
    assert 'value="admin"' in as_alice.get("/tokens/").content.decode()


def test_own_token_is_revoked_those_of_others_do_not_exist(as_bob: Client, alice: User, bob: User) -> None:
    mine, raw = actions.make_token(user=bob, name="mine", role=Role.VIEWER)
    hers, _ = actions.make_token(user=alice, name="hers", role=Role.ADMIN)

    assert "hers" not in as_bob.get("/tokens/").content.decode()
    assert as_bob.post(f"/tokens/{hers.pk}/revocation/").status_code == 404
    assert as_bob.post(f"/tokens/{mine.pk}/revocation/").status_code == 302
    assert actions.token_user(raw) is None
    assert as_bob.post(f"/tokens/{mine.pk}/revocation/").status_code == 409


def test_admin_sees_and_revokes_everybodys(as_alice: Client, bob: User) -> None:
    row, raw = actions.make_token(user=bob, name="bobs", role=Role.VIEWER)

    assert "bobs" in as_alice.get("/tokens/").content.decode()
    assert "It cannot be brought back" in as_alice.get(f"/tokens/{row.pk}/revocation/").content.decode()
    assert actions.token_user(raw) is not None
    as_alice.post(f"/tokens/{row.pk}/revocation/")
    assert actions.token_user(raw) is None


def test_anonymous_is_sent_to_sign_in(client: Client, db: None) -> None:
    for response in (client.get("/tokens/"), make(client)):
        assert response.status_code == 302
        assert response["Location"].startswith("/login/")


def test_name_is_printed_as_text(as_bob: Client) -> None:
    html = make(as_bob, name="<img src=x onerror=alert(1)>").content.decode()

    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_a_replaced_token_ends_and_one_like_it_is_shown_once(as_bob: Client, bob: User) -> None:
    made = timezone.now() + timedelta(days=30)
    old, raw = actions.make_token(user=bob, name="ci", role=Role.OPERATOR, expires_at=made)
    ApiToken.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=10), expires_at=timezone.now())

    asks = as_bob.get(f"/tokens/{old.pk}/rotation/")
    assert "The old one is refused at once." in asks.content.decode()
    assert ApiToken.objects.count() == 1
    response = as_bob.post(f"/tokens/{old.pk}/rotation/")

    assert "no-store" in response["Cache-Control"]
    user, new = actions.token_user(shown_token(response))
    assert (user, new.name, new.role) == (bob, "ci", Role.OPERATOR)
    assert abs(new.expires_at - timezone.now() - timedelta(days=10)) < timedelta(minutes=1)
    assert actions.token_user(raw) is None
    assert as_bob.post(f"/tokens/{old.pk}/rotation/").status_code == 409


def test_nobody_is_shown_a_token_of_somebody_else(as_alice: Client, as_bob: Client, alice: User, bob: User) -> None:
    hers, _ = actions.make_token(user=alice, name="hers", role=Role.ADMIN)
    his, raw = actions.make_token(user=bob, name="his", role=Role.VIEWER)

    assert as_bob.post(f"/tokens/{hers.pk}/rotation/").status_code == 404
    assert as_alice.post(f"/tokens/{his.pk}/rotation/").status_code == 403
    assert f"/tokens/{his.pk}/rotation/" not in as_alice.get("/tokens/").content.decode()
    assert actions.token_user(raw) is not None
    service = actions.make_service(name="robot", role=Role.VIEWER, by=alice)
    its, _ = actions.make_token(user=service, name="its", role=Role.VIEWER)
    assert as_alice.post(f"/tokens/{its.pk}/rotation/").status_code == 200


def test_a_token_is_not_replaced_beyond_what_its_person_may_by_now(as_bob: Client, bob: User) -> None:
    token, _ = actions.make_token(user=bob, name="ci", role=Role.OPERATOR)
    User.objects.filter(pk=bob.pk).update(role=Role.VIEWER)

    assert as_bob.post(f"/tokens/{token.pk}/rotation/").status_code == 403
    assert ApiToken.objects.get().revoked_at is None
