"""Where people are signed in: what is kept of a session beside its key, listing them, ending one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from stepwell.accounts import audit
from stepwell.accounts.models import User
from stepwell.errors import NotFound

#: where a session keeps what it began with
_ABOUT = "about"
_LONGEST_AGENT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """One session of a person. ``ref`` names it without giving its key away."""

    ref: str
    began_at: datetime | None
    expires_at: datetime
    ip: str
    agent: str
    is_this: bool


@receiver(user_logged_in)
def note_beginning(sender: Any, request: HttpRequest, **_: Any) -> None:
    """Keep with a new session when, from where and with what it began."""
    agent = "".join(char for char in request.headers.get("User-Agent", "") if char.isprintable())
    request.session[_ABOUT] = {
        "began_at": timezone.now().isoformat(timespec="seconds"),
        "ip": request.META.get("REMOTE_ADDR") or "",
        "agent": agent[:_LONGEST_AGENT],
    }


def list_sessions(user: User, *, this: str | None = None) -> list[SignedIn]:
    """Return the sessions of a person that still count, the newest first; ``this`` is the key of the asker's own."""
    found = []
    for row, content in _living(user):
        about = content.get(_ABOUT) or {}
        began_at = about.get("began_at")
        found.append(
            SignedIn(
                ref=_ref(row.session_key),
                began_at=datetime.fromisoformat(began_at) if began_at else None,
                expires_at=row.expire_date,
                ip=about.get("ip", ""),
                agent=about.get("agent", ""),
                is_this=row.session_key == this,
            )
        )
    return sorted(found, key=lambda one: one.began_at or one.expires_at, reverse=True)


def end_session(*, user: User, ref: str, by: User, ip: str | None = None) -> None:
    """End one session of a person; a page open in it ends within seconds.

    Raises:
        NotFound: There is no such session, or it has ended.
    """
    key = next((row.session_key for row, _ in _living(user) if _ref(row.session_key) == ref), None)
    if key is None or not Session.objects.filter(session_key=key).delete()[0]:
        raise NotFound("There is no such session.", hint="It may have ended already.")
    audit.record(
        actor=by, action="session.ended", object_kind="person", object_id=user.pk, object_name=user.username, ip=ip
    )


def _living(user: User) -> list[tuple[Session, dict[str, Any]]]:
    # A session does not say whose it is but inside: all that have not expired are read.
    rows = Session.objects.filter(expire_date__gt=timezone.now())
    read = ((row, row.get_decoded()) for row in rows.iterator(chunk_size=1000))
    valid = user.get_session_auth_hash()
    return [
        (row, content)
        for row, content in read
        if content.get(SESSION_KEY) == str(user.pk) and constant_time_compare(content.get(HASH_SESSION_KEY, ""), valid)
    ]


def _ref(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:24]
