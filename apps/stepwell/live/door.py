"""Whether the people behind open sockets may still watch: asked for all of them at once, every few seconds."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from channels.db import database_sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from stepwell.accounts.models import Role, User
from stepwell.kit import gauges
from stepwell.live.wire import CloseCode

if TYPE_CHECKING:
    from stepwell.live.consumers import LiveSocket

log = logging.getLogger(__name__)
#: an open socket outlives the end of its session, role or account by no more than this many seconds
RECHECK_SECONDS = 4.0
#: of one person in one web process, a socket for each page that is open
MOST_SOCKETS = 100


class Door:
    """Ends the sockets of people who signed out, were switched off or changed their password."""

    def __init__(self) -> None:
        self._sockets: set[LiveSocket] = set()
        self._round: asyncio.Task[None] | None = None

    def enter(self, socket: LiveSocket) -> bool:
        """Let a socket in, unless its person has too many."""
        person = socket.scope["user"].pk
        if sum(other.scope["user"].pk == person for other in self._sockets) >= MOST_SOCKETS:
            return False
        self._sockets.add(socket)
        self._count()
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._watch())
        return True

    def leave(self, socket: LiveSocket) -> None:
        self._sockets.discard(socket)
        self._count()

    def _count(self) -> None:
        gauges.values["sockets"] = len(self._sockets)

    async def _watch(self) -> None:
        while self._sockets:
            await asyncio.sleep(RECHECK_SECONDS)
            # Who comes while these are asked for was asked at the door.
            asked = set(self._sockets)
            keys = {socket.scope["session"].session_key for socket in asked}
            try:
                allowed = await database_sync_to_async(still_allowed)(keys)
            except DatabaseError:
                log.exception("Nobody could be asked who may still watch; the next round asks again.")
                continue
            for socket in asked & self._sockets:
                if socket.scope["session"].session_key not in allowed:
                    await socket.end(CloseCode.SIGNED_OUT, "You are signed out.")


def still_allowed(keys: set[str]) -> set[str]:
    """Return the keys whose session lives and whose person may watch: two statements, however many there are."""
    sessions: dict[str, dict[str, Any]] = {
        row.session_key: row.get_decoded()
        for row in Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    }
    people = {str(user.pk): user for user in User.objects.filter(pk__in=_people_of(sessions))}
    return {key for key, session in sessions.items() if _may_watch(people.get(_person_of(session)), session)}


def _people_of(sessions: dict[str, dict[str, Any]]) -> set[str]:
    return {person for session in sessions.values() if (person := _person_of(session))}


def _person_of(session: dict[str, Any]) -> str:
    return str(session.get(SESSION_KEY, ""))


def _may_watch(user: User | None, session: dict[str, Any]) -> bool:
    if user is None or not user.may(Role.VIEWER):
        return False
    return constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())


#: the door of this process
door = Door()
