from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from stepwell.accounts import sign_in, throttle
from stepwell.accounts.models import AuditEvent, SignInThrottle, User
from stepwell.accounts.sign_in import WrongPassword
from stepwell.accounts.throttle import TooManyAttempts
from tests.plugins.cast import PASSWORD

IP = "203.0.113.7"


def try_wrong(name: str, *, times: int, ip: str | None = IP) -> None:
    for _ in range(times):
        with pytest.raises(WrongPassword):
            sign_in.check_password(name=name, password="wrong", ip=ip)


def test_right_password_returns_the_person_and_is_recorded(bob: User) -> None:
    assert sign_in.check_password(name="bob", password=PASSWORD, ip=IP) == bob

    event = AuditEvent.objects.get()
    assert (event.action, event.actor_id, event.ip) == ("sign_in", bob.pk, IP)


def test_name_is_found_whatever_its_case(bob: User) -> None:
    assert sign_in.check_password(name="BoB", password=PASSWORD, ip=IP) == bob


def test_unknown_name_and_wrong_password_give_the_same_words(bob: User) -> None:
    with pytest.raises(WrongPassword) as wrong:
        sign_in.check_password(name="bob", password="wrong", ip=IP)
    with pytest.raises(WrongPassword) as unknown:
        sign_in.check_password(name="nobody", password="wrong", ip=IP)

    assert str(wrong.value) == str(unknown.value)


@pytest.mark.parametrize("name", ["bob", "nobody", "off"])
def test_password_is_hashed_once_whoever_signs_in(
    bob: User, name: str, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    """The hash is what takes the time, so its count is what tells known names from unknown ones."""
    from django.contrib.auth.hashers import MD5PasswordHasher

    User.objects.create_user(username="off", password=PASSWORD, is_active=False)
    counted: list[str] = []
    original = MD5PasswordHasher.encode

    def encode(self: MD5PasswordHasher, password: str, salt: str) -> str:
        counted.append("hash")
        return original(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", encode)

    with pytest.raises(WrongPassword):
        sign_in.check_password(name=name, password="wrong", ip=IP)

    assert len(counted) == 1


def test_deactivated_person_cannot_sign_in(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)

    with pytest.raises(WrongPassword):
        sign_in.check_password(name="bob", password=PASSWORD, ip=IP)


def test_unknown_name_is_not_kept_because_it_may_be_a_password(db: None) -> None:
    with pytest.raises(WrongPassword):
        sign_in.check_password(name="hunter2hunter2", password="x", ip=IP)

    assert "hunter2" not in repr(AuditEvent.objects.values()) + repr(SignInThrottle.objects.values())
    assert AuditEvent.objects.get().action == "sign_in.failed"


@pytest.mark.parametrize("name", ["bob", "nobody"])
def test_account_waits_after_too_many_wrong_passwords_known_or_not(bob: User, name: str) -> None:
    try_wrong(name, times=throttle.FREE_PER_NAME, ip=None)

    with pytest.raises(TooManyAttempts) as raised:
        sign_in.check_password(name=name, password=PASSWORD, ip="198.51.100.1")
    assert raised.value.retry_after >= 1


def test_address_waits_whatever_names_it_tries(bob: User) -> None:
    for number in range(throttle.FREE_PER_ADDRESS):
        try_wrong(f"name-{number}", times=1)

    with pytest.raises(TooManyAttempts):
        sign_in.check_password(name="bob", password=PASSWORD, ip=IP)
    assert sign_in.check_password(name="bob", password=PASSWORD, ip="198.51.100.1") == bob


def test_wait_doubles_and_is_capped(db: None) -> None:
    now = timezone.now()
    waits = []
    for _ in range(throttle.FREE_PER_NAME + 12):
        throttle.enter(name="bob", ip=None, now=now)
        until = SignInThrottle.objects.get().blocked_until
        if until:
            waits.append((until - now).total_seconds())
            now = until

    assert waits[:4] == [1, 2, 4, 8]
    assert max(waits) == throttle.LONGEST_WAIT_SECONDS


def test_right_password_makes_the_account_start_anew_but_not_the_address(bob: User) -> None:
    try_wrong("bob", times=throttle.FREE_PER_NAME - 1)
    sign_in.check_password(name="bob", password=PASSWORD, ip=IP)

    assert list(SignInThrottle.objects.values_list("failures", flat=True)) == [throttle.FREE_PER_NAME - 1]


def test_old_failures_are_forgotten(db: None) -> None:
    long_ago = timezone.now() - throttle.FORGET - timedelta(seconds=1)
    throttle.enter(name="bob", ip=IP, now=long_ago)
    throttle.enter(name="carol", ip=None)

    assert list(SignInThrottle.objects.values_list("failures", flat=True)) == [1]


def test_tries_made_at_once_are_counted_before_their_passwords_are_looked_at(db: None) -> None:
    """A burst of parallel guesses must not all pass the check before the first failure is written."""
    for _ in range(throttle.FREE_PER_NAME):
        throttle.enter(name="bob", ip=None)

    with pytest.raises(TooManyAttempts):
        throttle.enter(name="bob", ip=None)
