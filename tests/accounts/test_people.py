from __future__ import annotations

import pytest

from stepwell.accounts import actions
from stepwell.accounts.models import AuditEvent, Role, User
from stepwell.accounts.people import LastAdmin
from stepwell.accounts.sign_in import WrongPassword
from stepwell.errors import Denied, UsageError
from tests.plugins.cast import PASSWORD


def test_role_change_is_stored_and_recorded_with_both_roles(alice: User, bob: User) -> None:
    actions.change_role(user=bob, role=Role.ADMIN, by=alice, ip="203.0.113.7")

    bob.refresh_from_db()
    event = AuditEvent.objects.get()
    assert (bob.role, bob.is_staff, bob.is_superuser) == (Role.ADMIN, True, True)
    assert (event.action, event.before, event.after) == ("role.changed", {"role": "operator"}, {"role": "admin"})


def test_demotion_takes_back_what_django_admin_asks_for(alice: User, bob: User) -> None:
    actions.change_role(user=bob, role=Role.ADMIN, by=alice)
    actions.change_role(user=bob, role=Role.VIEWER, by=alice)

    bob.refresh_from_db()
    assert (bob.is_staff, bob.is_superuser) == (False, False)


def test_nobody_changes_their_own_role(alice: User, bob: User) -> None:
    actions.change_role(user=bob, role=Role.ADMIN, by=alice)

    with pytest.raises(Denied):
        actions.change_role(user=alice, role=Role.VIEWER, by=alice)
    with pytest.raises(Denied):
        actions.set_active(user=alice, active=False, by=alice)
    alice.refresh_from_db()
    assert (alice.role, alice.is_active) == (Role.ADMIN, True)


@pytest.mark.parametrize("by_alice", [True, False])
def test_last_active_admin_stays(alice: User, bob: User, by_alice: bool) -> None:
    User.objects.create_user(username="gone", role=Role.ADMIN, is_active=False)
    by = alice if by_alice else None

    with pytest.raises(LastAdmin):
        actions.change_role(user=alice, role=Role.VIEWER, by=by)
    with pytest.raises(LastAdmin):
        actions.set_active(user=alice, active=False, by=by)
    alice.refresh_from_db()
    assert (alice.role, alice.is_active) == (Role.ADMIN, True)
    assert not AuditEvent.objects.exists()


def test_unknown_role_is_refused(alice: User, bob: User) -> None:
    with pytest.raises(UsageError):
        actions.change_role(user=bob, role="owner", by=alice)


def test_deactivated_person_may_nothing(alice: User, bob: User) -> None:
    bob = actions.set_active(user=bob, active=False, by=alice)

    assert not bob.may(Role.VIEWER)
    assert AuditEvent.objects.get().action == "person.deactivated"


def test_sessions_end_with_role_password_activity_and_on_request(alice: User, bob: User) -> None:
    seen = {bob.get_session_auth_hash()}
    actions.change_role(user=bob, role=Role.VIEWER, by=alice)
    seen.add(User.objects.get(pk=bob.pk).get_session_auth_hash())
    actions.set_active(user=bob, active=False, by=alice)
    actions.set_active(user=bob, active=True, by=alice)
    seen.add(User.objects.get(pk=bob.pk).get_session_auth_hash())
    actions.change_password(user=User.objects.get(pk=bob.pk), current=PASSWORD, password="eleven brown foxes")
    seen.add(User.objects.get(pk=bob.pk).get_session_auth_hash())
    actions.end_sessions(user=bob, by=bob)
    seen.add(User.objects.get(pk=bob.pk).get_session_auth_hash())

    assert len(seen) == 5


def test_password_changes_only_with_the_current_one(bob: User) -> None:
    with pytest.raises(WrongPassword):
        actions.change_password(user=bob, current="wrong", password="eleven brown foxes")

    assert User.objects.get(pk=bob.pk).check_password(PASSWORD)


def test_person_without_password_sets_the_first_one_freely(db: None) -> None:
    admin = actions.first_admin()
    assert not admin.has_usable_password()
    actions.change_password(user=admin, current="", password="eleven brown foxes")

    assert User.objects.get().check_password("eleven brown foxes")


def test_first_admin_is_made_once_and_under_a_free_name(db: None) -> None:
    User.objects.create_user(username="Admin", role=Role.VIEWER)

    first, again = actions.first_admin(), actions.first_admin()

    assert first == again
    assert (first.username, first.role) == ("admin2", Role.ADMIN)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "europe/berlin\x00"])
def test_unknown_time_zone_is_refused(bob: User, zone: str) -> None:
    with pytest.raises(UsageError) as raised:
        actions.change_preferences(user=bob, time_zone=zone, theme="")

    assert list(raised.value.details["fields"]) == ["time_zone"]
    assert User.objects.get(pk=bob.pk).time_zone == ""


def test_preferences_are_stored(bob: User) -> None:
    actions.change_preferences(user=bob, time_zone="Europe/Berlin", theme="dark")

    stored = User.objects.get(pk=bob.pk)
    assert (stored.time_zone, stored.theme) == ("Europe/Berlin", "dark")
