from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from stepwell.accounts import actions, links
from stepwell.accounts.links import LinkGone, NameTaken
from stepwell.accounts.models import AuditEvent, LoginLink, Role, User
from stepwell.errors import Conflict, UsageError

GOOD = "nine purple otters"


def test_link_signs_in_its_person_once(bob: User) -> None:
    raw = actions.make_login_link(user=bob)

    assert actions.use_login_link(raw=raw) == bob
    with pytest.raises(LinkGone):
        actions.use_login_link(raw=raw)


def test_looking_at_a_link_does_not_use_it_up(bob: User) -> None:
    raw = actions.make_login_link(user=bob)
    links.find_link(raw)
    links.find_link(raw)

    assert actions.use_login_link(raw=raw) == bob


def test_link_ends_after_a_quarter_of_an_hour(bob: User) -> None:
    raw = actions.make_login_link(user=bob)
    assert LoginLink.objects.get().expires_at <= timezone.now() + timedelta(minutes=15)
    LoginLink.objects.update(expires_at=timezone.now())

    with pytest.raises(LinkGone):
        actions.use_login_link(raw=raw)


def test_link_of_a_person_deactivated_meanwhile_is_gone(bob: User) -> None:
    raw = actions.make_login_link(user=bob)
    User.objects.update(is_active=False)

    with pytest.raises(LinkGone):
        actions.use_login_link(raw=raw)
    with pytest.raises(Conflict):
        actions.make_login_link(user=User.objects.get())


def test_the_database_holds_only_a_hash_of_the_link(bob: User) -> None:
    raw = actions.make_login_link(user=bob)

    assert raw not in repr(LoginLink.objects.values()) + repr(AuditEvent.objects.values())


def test_made_and_used_links_are_recorded(alice: User, bob: User) -> None:
    raw = actions.make_login_link(user=bob, by=alice, ip="203.0.113.7")
    actions.use_login_link(raw=raw, ip="198.51.100.1")

    used, made = AuditEvent.objects.all()
    assert (made.action, made.actor_name, made.object_name) == ("link.made", "alice", "bob")
    assert (used.action, used.actor_name, used.ip) == ("link.used", "bob", "198.51.100.1")


def test_invite_makes_a_person_with_its_role_once(alice: User) -> None:
    raw = actions.make_invite(role=Role.OPERATOR, by=alice)
    user = actions.accept_invite(raw=raw, name="dora", password=GOOD)

    assert (user.role, user.check_password(GOOD), user.is_active) == (Role.OPERATOR, True, True)
    with pytest.raises(LinkGone):
        actions.accept_invite(raw=raw, name="eve", password=GOOD)
    assert AuditEvent.objects.filter(action="invite.used", actor_name="dora").exists()


@pytest.mark.parametrize(
    ("name", "password", "field"),
    [("dora", "tiny-pw", "password"), ("dora", "password123", "password"), ("do ra", GOOD, "name"), ("", GOOD, "name")],
)
def test_refused_invite_can_be_tried_again(db: None, name: str, password: str, field: str) -> None:
    raw = actions.make_invite(role=Role.VIEWER)

    with pytest.raises(UsageError) as raised:
        actions.accept_invite(raw=raw, name=name, password=password)
    assert list(raised.value.details["fields"]) == [field]
    assert password not in str(raised.value)
    assert actions.accept_invite(raw=raw, name="dora", password=GOOD).username == "dora"


def test_name_that_differs_in_case_only_is_taken(bob: User) -> None:
    raw = actions.make_invite(role=Role.VIEWER)

    with pytest.raises(NameTaken):
        actions.accept_invite(raw=raw, name="BOB", password=GOOD)


def test_the_two_kinds_of_link_cannot_stand_in_for_each_other(bob: User) -> None:
    invite = actions.make_invite(role=Role.ADMIN)
    login = actions.make_login_link(user=bob)

    with pytest.raises(LinkGone):
        actions.use_login_link(raw=invite)
    with pytest.raises(LinkGone):
        actions.accept_invite(raw=login, name="dora", password=GOOD)
