from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from stepwell.accounts import actions, throttle
from stepwell.accounts.models import AuditEvent, LoginLink, Role, User
from tests.plugins.cast import PASSWORD

COOKIE = "stepwell"


def sign_in(client: Client, name: str = "bob", password: str = PASSWORD, **more: str) -> object:
    return client.post("/login/", {"name": name, "password": password, **more})


def is_signed_in(client: Client) -> bool:
    return client.get("/me/").status_code == 200


def test_password_signs_in_and_leads_home(client: Client, bob: User) -> None:
    response = sign_in(client)

    assert (response.status_code, response["Location"]) == (302, "/")
    assert is_signed_in(client)


def test_form_has_labels_and_never_comes_back_with_the_password(client: Client, bob: User) -> None:
    response = sign_in(client, password="not-my-password")

    assert response.status_code == 422
    html = response.content.decode()
    assert "The name or the password is wrong." in html
    assert "not-my-password" not in html
    assert 'for="id_name"' in html
    assert 'for="id_password"' in html


def test_unknown_name_and_wrong_password_answer_alike(client: Client, bob: User) -> None:
    answers = [sign_in(client, name=name, password="wrong") for name in ("bob", "eve")]

    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.content.decode().split("<form")[1].split("csrf")[0] for answer in answers}) == 1


@pytest.mark.parametrize("name", ["bob", "eve"])
def test_after_twenty_wrong_passwords_the_answer_is_429_with_a_time(client: Client, bob: User, name: str) -> None:
    for _ in range(20):
        response = sign_in(client, name=name, password="wrong")

    assert response.status_code == 429
    assert int(response["Retry-After"]) >= 1
    assert "too many attempts" in response.content.decode()
    assert AuditEvent.objects.filter(action="sign_in.failed").count() == throttle.FREE_PER_NAME


@pytest.mark.parametrize(
    "target",
    [
        *("//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "evil"),
        *("///evil.example", "/\t/evil.example", "http:evil.example", "\\\\evil.example"),
    ],
)
def test_next_leads_to_own_paths_only(client: Client, bob: User, target: str) -> None:
    assert sign_in(client, next=target)["Location"] == "/"


def test_next_is_kept_through_the_form(client: Client, bob: User) -> None:
    assert 'value="/runs/?status=failed"' in client.get("/login/?next=/runs/%3Fstatus=failed").content.decode()
    assert sign_in(client, next="/runs/?status=failed")["Location"] == "/runs/?status=failed"


def test_session_id_of_before_is_worth_nothing_after(client: Client, bob: User) -> None:
    client.cookies[COOKIE] = "attackerchosensessionid000000000"
    sign_in(client)

    assert client.cookies[COOKIE].value != "attackerchosensessionid000000000"
    stale = Client()
    stale.cookies[COOKIE] = "attackerchosensessionid000000000"
    assert not is_signed_in(stale)


def test_session_id_changes_when_somebody_else_signs_in(client: Client, alice: User, bob: User) -> None:
    sign_in(client, name="bob")
    first = client.cookies[COOKIE].value
    sign_in(client, name="alice")

    assert client.cookies[COOKIE].value != first


def test_sign_out_ends_the_session_on_the_server(client: Client, bob: User) -> None:
    sign_in(client)
    stale = Client()
    stale.cookies[COOKIE] = client.cookies[COOKIE].value
    assert is_signed_in(stale)
    client.post("/logout/")

    assert not is_signed_in(client)
    assert not is_signed_in(stale)
    assert AuditEvent.objects.filter(action="sign_out", actor_name="bob").exists()


def test_signing_out_and_in_needs_the_forms_token(bob: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(bob)

    assert strict.post("/logout/").status_code == 403
    assert sign_in(strict).status_code == 403
    assert is_signed_in(strict)


def test_signing_out_by_a_link_is_not_possible(as_bob: Client) -> None:
    assert as_bob.get("/logout/").status_code == 405
    assert is_signed_in(as_bob)


def test_person_signed_in_already_is_sent_on(as_bob: Client) -> None:
    assert as_bob.get("/login/?next=/me/")["Location"] == "/me/"


def test_link_is_used_up_by_its_button_not_by_looking(client: Client, bob: User) -> None:
    url = reverse("login_link", args=[actions.make_login_link(user=bob)])
    for _ in range(3):
        page = Client().get(url)
        assert page.status_code == 200
        assert "bob" in page.content.decode()
    Client().head(url)

    assert client.post(url)["Location"] == "/"
    assert is_signed_in(client)


def test_used_old_and_invented_links_are_gone_and_say_what_to_do(client: Client, bob: User) -> None:
    used = actions.make_login_link(user=bob)
    client.post(reverse("login_link", args=[used]))
    old = actions.make_login_link(user=bob)
    LoginLink.objects.filter(used_at=None).update(expires_at="2020-01-01T00:00:00Z")

    for token in (used, old, "invented", "x" * 5000, "%00"):
        url = reverse("login_link", args=[token])
        for response in (Client().get(url), Client().post(url)):
            assert response.status_code == 410
            assert "stepwell login-link" in response.content.decode()


def test_address_of_a_link_page_is_not_passed_on_or_kept(client: Client, bob: User) -> None:
    response = client.get(reverse("login_link", args=[actions.make_login_link(user=bob)]))

    assert response["Referrer-Policy"] == "strict-origin"
    assert "no-store" in response["Cache-Control"]


def test_invite_leads_to_an_account_with_its_role(client: Client, alice: User) -> None:
    url = reverse("login_link", args=[actions.make_invite(role=Role.OPERATOR, by=alice)])
    assert "operator" in client.get(url).content.decode()

    refused = client.post(url, {"name": "dora", "password": "short-pw"})
    assert refused.status_code == 422
    assert "short-pw" not in refused.content.decode()
    taken = client.post(url, {"name": "Alice", "password": PASSWORD})
    assert taken.status_code == 422
    assert client.post(url, {"name": "dora", "password": PASSWORD, "role": "admin"}).status_code == 302
    assert User.objects.get(username="dora").role == Role.OPERATOR
    assert is_signed_in(client)
    assert Client().get(url).status_code == 410


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "a\x00b", "x" * 500, "\N{RIGHT-TO-LEFT OVERRIDE}bob"])
def test_nasty_names_are_wrong_names(client: Client, db: None, name: str) -> None:
    response = sign_in(client, name=name)

    assert response.status_code == 422
    assert "<img" not in response.content.decode()
