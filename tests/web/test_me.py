from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts import actions
from stepwell.accounts.models import User
from tests import factories
from tests.plugins.cast import PASSWORD, client_of
from tests.web.page import read

NEW = "eleven brown foxes"


def test_anonymous_is_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/me/")["Location"] == "/login/?next=%2Fme%2F"


def test_zone_and_theme_are_stored_and_shown(as_charlie: Client, charlie: User) -> None:
    as_charlie.post("/me/", {"time_zone": "Asia/Tokyo", "theme": "dark"})

    html = as_charlie.get("/me/").content.decode()
    assert 'value="Asia/Tokyo"' in html
    assert 'data-theme="dark"' in html


@pytest.mark.parametrize("values", [{"time_zone": "Mars/Olympus", "theme": ""}, {"time_zone": "UTC", "theme": "pink"}])
def test_unknown_zone_or_theme_is_said_and_stored_nowhere(as_bob: Client, bob: User, values: dict[str, str]) -> None:
    response = as_bob.post("/me/", values)

    bob.refresh_from_db()
    assert response.status_code == 422
    assert 'class="bad"' in response.content.decode()
    assert (bob.time_zone, bob.theme) == ("", "")


def test_nobody_raises_their_own_role_by_adding_fields(as_charlie: Client, charlie: User) -> None:
    as_charlie.post("/me/", {"time_zone": "", "theme": "dark", "role": "admin", "is_superuser": "on"})

    charlie.refresh_from_db()
    assert (charlie.role, charlie.is_superuser, charlie.theme) == ("viewer", False, "dark")


def test_new_password_ends_the_other_sessions_and_keeps_this_one(as_bob: Client, bob: User) -> None:
    other = client_of(bob)
    before = as_bob.cookies["stepwell"].value
    response = as_bob.post("/me/password/", {"current": PASSWORD, "password": NEW})

    assert response.status_code == 302
    assert as_bob.get("/me/").status_code == 200
    assert as_bob.cookies["stepwell"].value != before
    assert other.get("/me/").status_code == 302
    assert Client().post("/login/", {"name": "bob", "password": NEW}).status_code == 302


@pytest.mark.parametrize(
    ("current", "new", "field"), [("wrong", NEW, "id_current_error"), (PASSWORD, "short", "id_password_error")]
)
def test_refused_password_says_why_beside_the_field(
    as_bob: Client, bob: User, current: str, new: str, field: str
) -> None:
    response = as_bob.post("/me/password/", {"current": current, "password": new})

    bob.refresh_from_db()
    assert response.status_code == 422
    assert f'id="{field}"' in response.content.decode()
    assert bob.check_password(PASSWORD)


def test_guessing_the_current_password_is_slowed_down(as_bob: Client, bob: User) -> None:
    for _ in range(10):
        response = as_bob.post("/me/password/", {"current": "wrong", "password": NEW})

    assert "too many attempts" in response.content.decode()


def test_person_who_came_by_link_sets_a_first_password(db: None) -> None:
    admin = actions.first_admin()
    client = client_of(admin)
    assert "id_current" not in client.get("/me/").content.decode()
    client.post("/me/password/", {"password": NEW})

    assert User.objects.get().check_password(NEW)


def test_signing_out_everywhere_means_everywhere(as_bob: Client, bob: User) -> None:
    other = client_of(bob)
    as_bob.post("/me/sessions/")

    assert as_bob.get("/me/").status_code == 302
    assert other.get("/me/").status_code == 302
    assert client_of(User.objects.get(pk=bob.pk)).get("/me/").status_code == 200


def test_how_logs_are_shown_is_stored_and_reaches_the_log(as_charlie: Client, charlie: User) -> None:
    run = factories.make_run(steps={"load": "completed"})
    address = f"/runs/{run.number}/logs/load/1/"
    plain = read(as_charlie.get(address)).one("log-view").attributes

    as_charlie.post(
        "/me/", {"time_zone": "", "theme": "", "log_wraps": "on", "log_times": "on", "log_from_start": "on"}
    )

    charlie.refresh_from_db()
    assert (charlie.log_wraps, charlie.log_times, charlie.log_from_start) == (True, True, True)
    chosen = read(as_charlie.get(address)).one("log-view").attributes
    assert chosen.keys() - plain.keys() == {"wrap", "times", "from-start"}
    panel = read(as_charlie.get(f"/runs/{run.number}/?step=load&tab=log")).one("log-view").attributes
    assert {"wrap", "times", "from-start"} <= panel.keys()
    page = read(as_charlie.get("/me/"))
    assert "checked" in page.one("input", name="log_wraps").attributes


def test_own_tokens_that_work_are_listed(as_bob: Client, bob: User, alice: User) -> None:
    for user, name in ((bob, "nightly"), (bob, "gone"), (alice, "of-alice")):
        token, _ = actions.make_token(user=user, name=name, role="viewer", by=user)
        if name == "gone":
            actions.revoke_token(token=token, by=bob)

    text = read(as_bob.get("/me/")).text

    assert "nightly" in text
    assert "gone" not in text
    assert "of-alice" not in text
