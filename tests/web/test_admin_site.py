"""Django's admin: for admins only, under our rules, within the content policy, and without a secret's value."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from stepwell.accounts import actions as accounts
from stepwell.accounts.models import AuditEvent, InstanceSettings, Role, User
from stepwell.vault import actions as vault
from stepwell.vault.models import Secret

VALUE = "correct-horse-battery-staple"
OTHER = "tr0ub4dor-and-three"


@pytest.fixture(autouse=True)
def ring(tmp_path: Path, settings: object) -> None:
    settings.KEYRING_FILE = tmp_path / "keyring"


def change_url(row: object) -> str:
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])


def read(name: str = "warehouse") -> dict[str, str]:
    return vault.values_for_step(names=[name], run_id=uuid4(), step_name="load", attempt_id=uuid4())


@pytest.mark.parametrize("who", ["as_bob", "as_charlie"])
def test_only_admins_enter(who: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(who)

    assert client.get("/admin/").status_code == 403
    assert client.get("/admin/vault/secret/").status_code == 403


def test_every_list_and_empty_form_opens_and_holds_nothing_the_policy_blocks(as_alice: Client) -> None:
    vault.put_secret(name="warehouse", values={"TOKEN": VALUE}, by=None)
    read()
    accounts.make_token(user=User.objects.get(), name="ci", role=Role.VIEWER)

    for model in admin.site._registry:
        meta = model._meta
        pages = [reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")]
        pages += [change_url(row) for row in model.objects.all()[:1]]
        for page in pages:
            response = as_alice.get(page, follow=True)
            html = response.content.decode()
            assert response.status_code == 200, page
            assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)[^>]*>\s*\S", html), page
            assert VALUE not in html, page
            assert "ciphertext" not in html.lower(), page
            assert "token_hash" not in html.lower(), page


def test_colours_come_from_our_tokens(as_alice: Client) -> None:
    html = as_alice.get("/admin/").content.decode()

    assert "css/tokens.css" in html
    assert "css/admin.css" in html


def test_settings_change_under_the_same_rules_and_are_recorded(as_alice: Client) -> None:
    url = change_url(InstanceSettings.load())
    values = {
        "instance_name": "Lab",
        "time_zone": "Europe/Berlin",
        "step_slots": 8,
        "heartbeat_threshold_minutes": 30,
        "retention_days": 0,
        "retention_runs": 0,
        "log_cap_mib": 64,
        "step_retries": 0,
        "step_retry_wait_seconds": 0,
        "step_timeout_seconds": 0,
    }
    assert as_alice.post(url, {**values, "time_zone": "Mars/Olympus"}).status_code == 200
    assert InstanceSettings.load().instance_name == "Stepwell"
    assert as_alice.post(url, values).status_code == 302

    assert InstanceSettings.load().instance_name == "Lab"
    assert AuditEvent.objects.get(action="settings.changed").after["instance_name"] == "Lab"


def test_there_is_one_row_of_settings_not_more_and_not_less(as_alice: Client) -> None:
    assert as_alice.get("/admin/accounts/instancesettings/add/").status_code == 403
    assert as_alice.post("/admin/accounts/instancesettings/1/delete/", {"post": "yes"}).status_code in {403, 302}
    assert as_alice.get("/admin/accounts/instancesettings/", follow=True).status_code == 200
    assert InstanceSettings.objects.count() == 1


def test_role_changes_are_recorded_and_the_rules_hold(as_alice: Client, alice: User, bob: User) -> None:
    assert as_alice.post(change_url(bob), {"role": "viewer", "is_active": "on"}).status_code == 302
    bob.refresh_from_db()
    assert bob.role == Role.VIEWER
    assert AuditEvent.objects.filter(action="role.changed", object_name="bob").count() == 1

    refused = as_alice.post(change_url(alice), {"role": "viewer", "is_active": "on"})
    assert refused.status_code == 200
    assert "last active admin" in refused.content.decode()
    alice.refresh_from_db()
    assert alice.role == Role.ADMIN


def test_person_can_be_deactivated_and_nothing_else_is_taken(as_alice: Client, bob: User) -> None:
    as_alice.post(change_url(bob), {"role": "operator", "username": "eve", "password": "x", "is_superuser": "on"})

    bob.refresh_from_db()
    assert (bob.username, bob.is_active, bob.is_superuser) == ("bob", False, False)


def test_secret_is_made_and_rotated_and_never_shown(as_alice: Client) -> None:
    made = as_alice.post("/admin/vault/secret/add/", {"name": "warehouse", "pairs": f"TOKEN={VALUE}\nB=a=b=c\n"})
    assert made.status_code == 302
    assert read() == {"TOKEN": VALUE, "B": "a=b=c"}
    url = change_url(Secret.objects.get())
    assert as_alice.post(url, {"pairs": f"TOKEN={OTHER}"}).status_code == 302
    assert read() == {"TOKEN": OTHER}

    for page in (url, "/admin/vault/secret/", f"{url.removesuffix('change/')}history/", "/admin/"):
        html = as_alice.get(page).content.decode()
        assert not [value for value in (VALUE, OTHER) if value in html], page
    assert [event.action for event in AuditEvent.objects.all()] == ["secret.rotated", "secret.created"]


@pytest.mark.parametrize("pairs", [f"PATH={VALUE}", VALUE, f"A={VALUE}\nA={OTHER}", f"A={VALUE}\nB=abc", ""])
def test_refused_secret_comes_back_without_its_values(as_alice: Client, pairs: str) -> None:
    response = as_alice.post("/admin/vault/secret/add/", {"name": "warehouse", "pairs": pairs})
    html = response.content.decode()

    assert response.status_code == 200
    assert "errornote" in html
    assert VALUE not in html
    assert OTHER not in html
    assert not Secret.objects.exists()


def test_what_is_only_shown_cannot_be_changed_or_deleted(as_alice: Client, alice: User) -> None:
    token, _ = accounts.make_token(user=alice, name="ci", role=Role.VIEWER)
    event = AuditEvent.objects.first()

    for row in (token, event):
        url = change_url(row)
        assert as_alice.post(url, {"name": "x"}).status_code == 403
        assert as_alice.post(url.removesuffix("change/") + "delete/", {"post": "yes"}).status_code == 403
    assert as_alice.get("/admin/accounts/auditevent/add/").status_code == 403
