"""A leash for libraries that call addresses people entered: what they connect to is checked."""

from __future__ import annotations

import ipaddress
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from stepwell.alerts import outbound
from stepwell.alerts.outbound import Blocked

_thread = threading.local()


@contextmanager
def public_only() -> Iterator[None]:
    """Let this thread connect to addresses that may be called, and to no other, however it came to them.

    A name may lead elsewhere when it is looked up again, have no dot, or answer with a redirect.

    Raises:
        Blocked: It tried another one, whatever the library made of the refusal.
    """
    _watch()
    _thread.refused = refused = []
    try:
        yield
    finally:
        del _thread.refused
    if refused:
        raise Blocked(
            f"It leads to {refused[0]}, which is not a public address.",
            hint="An operator can allow its network with STEPWELL_ALERT_NETWORKS.",
        )


@cache
def _watch() -> None:
    """Have the interpreter ask before each connection; this cannot be undone, so only who sends begins with it."""
    sys.addaudithook(_ask)


def _ask(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect" or (refused := getattr(_thread, "refused", None)) is None:
        return
    place = arguments[1]
    host = place[0] if isinstance(place, tuple) else place
    try:
        is_fine = outbound.is_allowed(ipaddress.ip_address(str(host).partition("%")[0]))
    except ValueError:
        is_fine = False
    if not is_fine:
        refused.append(host)
        # What a library takes for a connection that failed.
        raise ConnectionRefusedError("not a public address")
