"""Wrong passwords cost time: a wait that doubles, per account name and per address."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from stepwell.accounts.models import SignInThrottle
from stepwell.errors import StepwellError

#: wrong tries that cost nothing yet
FREE_PER_NAME = 5
FREE_PER_ADDRESS = 20
LONGEST_WAIT_SECONDS = 300
FORGET = timedelta(hours=1)


class TooManyAttempts(StepwellError):
    """There were too many attempts to sign in."""

    code: ClassVar[str] = "too_many_attempts"
    status: ClassVar[int] = 429

    def __init__(self, message: str = "", *, retry_after: int = 1, **details: Any) -> None:
        self.retry_after = retry_after
        super().__init__(message, hint=f"Try again in {retry_after} s.", **details)


def enter(*, name: str, ip: str | None, now: datetime | None = None) -> None:
    """Count one try before its password is looked at, so that tries made at once are counted too.

    Raises:
        TooManyAttempts: The name or the address has to wait; ``retry_after`` says how many seconds.
    """
    now = now or timezone.now()
    counters = _counters(name, ip)
    with transaction.atomic():
        SignInThrottle.objects.filter(latest_at__lt=now - FORGET).delete()
        rows = {row.key: row for row in SignInThrottle.objects.select_for_update().filter(key__in=counters)}
        if waits := [row.blocked_until for row in rows.values() if row.blocked_until and row.blocked_until > now]:
            raise TooManyAttempts(retry_after=math.ceil((max(waits) - now).total_seconds()))
        for key, free in counters.items():
            failures = rows[key].failures + 1 if key in rows else 1
            SignInThrottle.objects.update_or_create(
                key=key, defaults={"failures": failures, "blocked_until": _wait(failures - free, now), "latest_at": now}
            )


def forgive(*, name: str, ip: str | None) -> None:
    """Take back the try that :func:`enter` counted: the password was right.

    The name starts anew. The address only gets its one try back: whoever knows one password could otherwise go on
    guessing those of others.
    """
    by_name, *by_address = _counters(name, ip)
    SignInThrottle.objects.filter(key=by_name).delete()
    SignInThrottle.objects.filter(key__in=by_address, failures__gt=0).update(
        failures=F("failures") - 1, blocked_until=None
    )


def _counters(name: str, ip: str | None) -> dict[str, int]:
    counters = {_key(f"name:{name.casefold()}"): FREE_PER_NAME}
    if ip:
        counters[_key(f"ip:{ip}")] = FREE_PER_ADDRESS
    return counters


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _wait(excess: int, now: datetime) -> datetime | None:
    if excess < 0:
        return None
    return now + timedelta(seconds=min(2 ** min(excess, 20), LONGEST_WAIT_SECONDS))
