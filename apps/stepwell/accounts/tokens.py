"""API tokens: made once, stored as a hash, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from stepwell.accounts import audit
from stepwell.accounts.models import ROLE_ORDER, ApiToken, User
from stepwell.errors import Conflict, Denied, UsageError

PREFIX = "sw_"
_PREFIX_LENGTH = 11
_USE_RESOLUTION = timedelta(minutes=1)


def make_token(
    *,
    user: User,
    name: str,
    role: str,
    expires_at: datetime | None = None,
    by: User | None = None,
    ip: str | None = None,
) -> tuple[ApiToken, str]:
    """Make a token that acts for ``user`` with at most ``role``.

    Args:
        expires_at:
            None: never.
        by:
            Who makes it; None: ``user``.

    Returns:
        The stored row, and the token itself, which cannot be had again.

    Raises:
        UsageError: The name is empty or too long, the role unknown, or the date past.
        Denied: ``role`` is more than the person has.
    """
    name = name.strip()
    if not 1 <= len(name) <= 100 or "\x00" in name:
        raise UsageError("A token needs a name of 1 to 100 characters.", fields={"name": "Use 1 to 100 characters."})
    if role not in ROLE_ORDER:
        raise UsageError(f"“{role[:40]}” is not a role.", hint=f"Use one of {', '.join(ROLE_ORDER)}.")
    if not user.may(role):
        raise Denied(f"A token of {user.username} cannot have the role {role}.", hint="Choose your own role or less.")
    if expires_at is not None and expires_at <= timezone.now():
        raise UsageError("The token would be expired from the start.", hint="Choose a date to come.")
    raw = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = ApiToken.objects.create(
            user=user,
            name=name,
            prefix=raw[:_PREFIX_LENGTH],
            token_hash=_hash(raw),
            role=role,
            expires_at=expires_at,
        )
        expires = expires_at.isoformat(timespec="seconds") if expires_at else None
        after = {"role": role, "expires_at": expires, "owner": user.username}
        _record(row, actor=by or user, action="token.made", ip=ip, after=after)
    return row, raw


def revoke_token(*, token: ApiToken, by: User | None, ip: str | None = None) -> None:
    """End a token now.

    Raises:
        Conflict: It was revoked before.
    """
    with transaction.atomic():
        if not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            raise Conflict(f"The token “{token.name}” is revoked already.")
        _record(token, actor=by, action="token.revoked", ip=ip, after={"owner": token.user.username})


def rotate_token(*, token: ApiToken, by: User, ip: str | None = None) -> tuple[ApiToken, str]:
    """End a token now and make one like it that lives as long as the old one was made for.

    Returns:
        As :func:`make_token`.

    Raises:
        Conflict: It was revoked before.
        Denied: Its person has less than its role by now.
    """
    lives = token.expires_at - token.created_at if token.expires_at else None
    with transaction.atomic():
        revoke_token(token=token, by=by, ip=ip)
        expires_at = timezone.now() + lives if lives else None
        return make_token(user=token.user, name=token.name, role=token.role, expires_at=expires_at, by=by, ip=ip)


def token_user(raw: str) -> tuple[User, ApiToken] | None:
    """Return whom a token acts for, and the token.

    None when it is unknown, expired or revoked, or its person is switched off.
    """
    if not (raw.startswith(PREFIX) and raw.isascii() and raw.isprintable()):
        return None
    digest = _hash(raw)
    found = None
    for row in ApiToken.objects.select_related("user").filter(prefix=raw[:_PREFIX_LENGTH]):
        if hmac.compare_digest(row.token_hash, digest):
            found = row
    if found is None or found.state != "active" or not found.user.is_active:
        return None
    _note_use(found)
    return found.user, found


def _note_use(row: ApiToken) -> None:
    now = timezone.now()
    stale = now - _USE_RESOLUTION
    if row.latest_use_at is None or row.latest_use_at < stale:
        unused = Q(latest_use_at=None) | Q(latest_use_at__lt=stale)
        ApiToken.objects.filter(unused, pk=row.pk).update(latest_use_at=now)


def _record(row: ApiToken, *, actor: User | None, action: str, ip: str | None, after: dict[str, object]) -> None:
    audit.record(
        actor=actor, action=action, object_kind="token", object_id=row.pk, object_name=row.name, ip=ip, after=after
    )


def _hash(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()
