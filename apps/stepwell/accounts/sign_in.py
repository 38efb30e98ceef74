"""Who is who: passwords checked against a throttle, and what the audit log keeps of it."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth import authenticate
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from stepwell.accounts import audit, throttle
from stepwell.accounts.models import User
from stepwell.errors import StepwellError


class WrongPassword(StepwellError):
    """The name or the password is wrong."""

    code: ClassVar[str] = "wrong_password"
    status: ClassVar[int] = 422


@sensitive_variables("password")
def check_password(*, name: str, password: str, ip: str | None) -> User:
    """Return the active person with this name and password.

    An unknown name, a wrong password and a deactivated person look alike and take the same time: the password is
    hashed in each case.

    Raises:
        WrongPassword: They do not belong together.
        TooManyAttempts: The name or the address has to wait first.
    """
    throttle.enter(name=name, ip=ip)
    known = User.objects.filter(username__iexact=name).first()
    user = authenticate(username=known.username if known else name, password=password)
    if not isinstance(user, User):
        # The name is only kept when it is a person's: an unknown one may be a password in the wrong field.
        audit.record(actor=None, action="sign_in.failed", ip=ip, **_object(known))
        raise WrongPassword
    with transaction.atomic():
        throttle.forgive(name=name, ip=ip)
        audit.record(actor=user, action="sign_in", ip=ip, **_object(user))
    return user


@sensitive_variables("password")
def confirm_password(*, user: User, password: str, ip: str | None) -> None:
    """Accept the password of a person who is signed in; wrong ones count as they do for signing in.

    Raises:
        WrongPassword: It is not theirs.
        TooManyAttempts: The name or the address has to wait first.
    """
    throttle.enter(name=user.username, ip=ip)
    if not user.check_password(password):
        audit.record(actor=user, action="password.refused", ip=ip, **_object(user))
        raise WrongPassword("This is not your password.")
    throttle.forgive(name=user.username, ip=ip)


def record_sign_out(*, user: User, ip: str | None = None) -> None:
    """Write down that ``user`` signed out."""
    audit.record(actor=user, action="sign_out", ip=ip, **_object(user))


def _object(user: User | None) -> dict[str, str]:
    if user is None:
        return {"object_kind": "person", "object_name": "unknown name"}
    return {"object_kind": "person", "object_id": str(user.pk), "object_name": user.username}
