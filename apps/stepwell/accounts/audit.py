"""The audit log: one row for each act, written in the transaction of the act, never changed afterwards."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar
from typing import Any

from stepwell.accounts.models import AuditEvent

#: whose command this is, as this machine knows them
_person_here: ContextVar[str] = ContextVar("person", default="")


def is_of(person: str) -> None:
    """From here on write what no account does as done by a person of this machine, by a command."""
    _person_here.set(f"{person[:100]} (command line)")


def person_here() -> str:
    """Return whoever ``is_of`` named; empty when nobody was."""
    return _person_here.get()


def record(
    *,
    actor: Any,
    action: str,
    object_kind: str = "",
    object_id: object = "",
    object_name: str = "",
    ip: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEvent:
    """Write down one act.

    Args:
        actor:
            A ``User``; anyone else (None, an anonymous user) is written as whoever ``is_of`` named, or as nobody.
        before:
            What changed, as it was. Never a secret's value, a password or a token.
        after:
            The same, as it is now.
    """
    known = getattr(actor, "pk", None) is not None
    return AuditEvent.objects.create(
        actor_id=actor.pk if known else None,
        actor_name=actor.get_username() if known else person_here(),
        action=action,
        object_kind=object_kind,
        object_id=str(object_id)[:64],
        object_name=object_name[:255],
        ip=_address(ip),
        before=before or {},
        after=after or {},
    )


def _address(text: str | None) -> str | None:
    try:
        return str(ipaddress.ip_address((text or "").split("%")[0]))
    except ValueError:
        return None
