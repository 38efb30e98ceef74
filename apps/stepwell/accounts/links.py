"""Links that work once: to sign in, or to join with a role."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import ClassVar

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from stepwell.accounts import audit
from stepwell.accounts.models import LoginLink, User
from stepwell.errors import Conflict, StepwellError, UsageError

LOGIN_LINK_LIFE = timedelta(minutes=15)
INVITE_LIFE = timedelta(days=7)


class LinkGone(StepwellError):
    """This link was used already, is too old, or never existed."""

    code: ClassVar[str] = "link_gone"
    status: ClassVar[int] = 410


class NameTaken(Conflict):
    """There is a person of this name already."""

    code = "name_taken"


def make_login_link(*, user: User, by: User | None = None, ip: str | None = None) -> str:
    """Return the token of a new link that signs ``user`` in once within 15 minutes.

    The page ``login_link`` takes the token. Only a hash of it is stored.

    Raises:
        Conflict: The person is deactivated, or is a program.
    """
    if user.is_service:
        raise Conflict(f"{user.username} is a service account.", hint="Make a token for it on the page Tokens.")
    if not user.is_active:
        raise Conflict(f"{user.username} is deactivated.", hint="Activate the account first.")
    return _make(
        LoginLink(purpose=LoginLink.Purpose.LOGIN, user=user, role=user.role, created_by=by),
        life=LOGIN_LINK_LIFE,
        ip=ip,
        action="link.made",
        object_name=user.username,
    )


def make_invite(*, role: str, by: User | None = None, ip: str | None = None) -> str:
    """Return the token of a new link that lets one person join with ``role`` within 7 days."""
    return _make(
        LoginLink(purpose=LoginLink.Purpose.INVITE, role=role, created_by=by),
        life=INVITE_LIFE,
        ip=ip,
        action="invite.made",
        object_name=f"invite as {role}",
    )


def _make(link: LoginLink, *, life: timedelta, ip: str | None, action: str, object_name: str) -> str:
    raw = secrets.token_urlsafe(32)
    link.token_hash = _hash(raw)
    link.expires_at = timezone.now() + life
    with transaction.atomic():
        link.save()
        audit.record(
            actor=link.created_by,
            action=action,
            object_kind="link",
            object_id=link.pk,
            object_name=object_name,
            ip=ip,
            after={"role": link.role, "expires_at": link.expires_at.isoformat(timespec="seconds")},
        )
    return raw


def find_link(raw: str) -> LoginLink:
    """Return the link of a token, without using it up.

    Raises:
        LinkGone: It was used, is too old, or there is none.
    """
    link = LoginLink.objects.select_related("user").filter(token_hash=_hash(raw)).first()
    if link is None or link.used_at or link.expires_at <= timezone.now():
        raise LinkGone
    if link.user is not None and not link.user.is_active:
        raise LinkGone
    return link


def use_login_link(*, raw: str, ip: str | None = None) -> User:
    """Use up a sign-in link and return whom it signs in.

    Raises:
        LinkGone: It was used, is too old, is an invite, or there is none.
    """
    with transaction.atomic():
        link = find_link(raw)
        if link.user is None:
            raise LinkGone
        _use_up(link)
        _record_use(link, user=link.user, action="link.used", ip=ip)
    return link.user


@sensitive_variables("password")
def accept_invite(*, raw: str, name: str, password: str, ip: str | None = None) -> User:
    """Use up an invite and return the person it made.

    Raises:
        LinkGone: It was used, is too old, is no invite, or there is none.
        NameTaken: There is a person of this name.
        UsageError: The name or the password does not do; ``fields`` in its details says why.
    """
    with transaction.atomic():
        link = find_link(raw)
        if link.purpose != LoginLink.Purpose.INVITE:
            raise LinkGone
        user = new_user(name=name, role=link.role, password=password)
        _use_up(link)
        _record_use(link, user=user, action="invite.used", ip=ip)
    return user


@sensitive_variables("password")
def new_user(*, name: str, role: str, password: str | None) -> User:
    """Store a new person; without a password only a link signs them in. Writes no audit row: callers do."""
    if User.objects.filter(username__iexact=name).exists():
        raise NameTaken(f"There is a person called {name[:150]} already.", hint="Choose another name.")
    user = User(username=name, role=role)
    check_new_password(user=user, password=password)
    user.set_password(password)
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as exc:
        fields = {("name" if key == "username" else key): " ".join(texts) for key, texts in exc.message_dict.items()}
        raise UsageError("This account cannot be made.", hint=" ".join(fields.values()), fields=fields) from None
    user.save(force_insert=True)
    return user


@sensitive_variables("password")
def check_new_password(*, user: User, password: str | None) -> None:
    """Accept a password that is long and unusual enough; None (no password) is accepted.

    Raises:
        UsageError: It is not; ``fields`` in its details says why.
    """
    if password is None:
        return
    try:
        validate_password(password, user)
    except ValidationError as exc:
        why = " ".join(exc.messages)
        raise UsageError("This password does not do.", hint=why, fields={"password": why}) from None


def _use_up(link: LoginLink) -> None:
    now = timezone.now()
    # One UPDATE decides: of two clicks at once only one gets in.
    if not LoginLink.objects.filter(pk=link.pk, used_at=None, expires_at__gt=now).update(used_at=now):
        raise LinkGone


def _record_use(link: LoginLink, *, user: User, action: str, ip: str | None) -> None:
    audit.record(
        actor=user,
        action=action,
        object_kind="link",
        object_id=link.pk,
        object_name=user.username,
        ip=ip,
        after={"role": user.role},
    )


def _hash(raw: str) -> str:
    return hashlib.sha256(raw.encode("utf-8", "replace")).hexdigest()
