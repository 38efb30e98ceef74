from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from stepwell.accounts import actions
from stepwell.accounts.models import ApiToken, AuditEvent, Role, User
from stepwell.errors import Conflict, Denied, UsageError


def test_token_acts_for_its_person(bob: User) -> None:
    row, raw = actions.make_token(user=bob, name="ci", role=Role.OPERATOR)

    assert raw.startswith("sw_")
    assert len(raw) == 3 + 43
    assert actions.token_user(raw) == (bob, row)


def test_the_database_holds_only_a_hash_and_a_prefix(bob: User) -> None:
    row, raw = actions.make_token(user=bob, name="ci", role=Role.VIEWER)

    stored = repr(ApiToken.objects.values()) + repr(AuditEvent.objects.values())
    assert raw not in stored
    assert raw[len(row.prefix) :] not in stored


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + "a", lambda raw: raw[:-1] + "!", str.upper])
def test_nearly_right_token_is_none(bob: User, change: object) -> None:
    _, raw = actions.make_token(user=bob, name="ci", role=Role.VIEWER)

    assert actions.token_user(change(raw)) is None  # type: ignore[operator]


@pytest.mark.parametrize("raw", ["", "sw_", "nothing", "sw_\x00", "\udc80", "ü" * 100, "a" * 100_000])
def test_nonsense_is_no_token(db: None, raw: str) -> None:
    assert actions.token_user(raw) is None


def test_revoked_token_is_none_at_once_and_revoked_once(bob: User) -> None:
    row, raw = actions.make_token(user=bob, name="ci", role=Role.VIEWER)
    actions.revoke_token(token=row, by=bob)

    assert actions.token_user(raw) is None
    with pytest.raises(Conflict):
        actions.revoke_token(token=row, by=bob)
    assert AuditEvent.objects.filter(action="token.revoked").count() == 1


def test_expired_token_is_none(bob: User) -> None:
    _, raw = actions.make_token(
        user=bob, name="ci", role=Role.VIEWER, expires_at=timezone.now() + timedelta(seconds=60)
    )
    assert actions.token_user(raw)
    ApiToken.objects.update(expires_at=timezone.now())

    assert actions.token_user(raw) is None


def test_token_of_a_deactivated_person_is_none(alice: User, bob: User) -> None:
    _, raw = actions.make_token(user=bob, name="ci", role=Role.VIEWER)
    actions.set_active(user=bob, active=False, by=alice)

    assert actions.token_user(raw) is None


def test_token_never_has_more_than_its_person(alice: User, bob: User) -> None:
    with pytest.raises(Denied):
        actions.make_token(user=bob, name="ci", role=Role.ADMIN)

    row, raw = actions.make_token(user=bob, name="ci", role=Role.OPERATOR)
    assert row.may(Role.OPERATOR)
    assert not row.may(Role.ADMIN)
    actions.change_role(user=bob, role=Role.VIEWER, by=alice)
    _, token = actions.token_user(raw)
    assert not token.may(Role.OPERATOR)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\x00b"])
def test_token_needs_a_name(bob: User, name: str) -> None:
    with pytest.raises(UsageError):
        actions.make_token(user=bob, name=name, role=Role.VIEWER)


def test_latest_use_is_noted_at_most_once_a_minute(bob: User) -> None:
    row, raw = actions.make_token(user=bob, name="ci", role=Role.VIEWER)
    actions.token_user(raw)
    recent = timezone.now() - timedelta(seconds=30)
    ApiToken.objects.update(latest_use_at=recent)
    actions.token_user(raw)
    row.refresh_from_db()
    assert row.latest_use_at == recent

    ApiToken.objects.update(latest_use_at=timezone.now() - timedelta(seconds=90))
    actions.token_user(raw)
    row.refresh_from_db()
    assert timezone.now() - row.latest_use_at < timedelta(seconds=30)
