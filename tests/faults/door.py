"""A web process of a scenario's own, somebody who is signed in, and I11: how it answers whatever happens behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import httpx
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from stepwell.accounts import tokens
from stepwell.accounts.models import Role, User
from tests.faults.stores import free_port

if TYPE_CHECKING:
    from tests.faults.stage import Process, Stage

_HEALTH_SECONDS, _PAGE_SECONDS = 0.2, 1.0
#: a connection is waited for that long before a page says that the database is away
_REFUSAL_SECONDS = 6.0
_PAUSE = 0.15
PATHS = ("/healthz", "/api/v1/runs", "/runs/")


def open_door(stage: Stage, *, failpoint: str = "", port: int = 0, **more: str) -> tuple[Process, httpx.Client]:
    """Start a web process; return it with a client that has an operator's token."""
    port = port or free_port()
    web = stage.process("web", "--host", "127.0.0.1", "--port", str(port), failpoint=failpoint, **more)
    _, token = tokens.make_token(user=person(), name=f"faults-{web.pid}", role=Role.OPERATOR)
    headers = {"Authorization": f"Bearer {token}"}
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20, trust_env=False)
    stage.after(client.close)
    stage.until(lambda: answers(client), "the web process answers", seconds=40)
    return web, client


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def person(name: str = "faults") -> User:
    return User.objects.get_or_create(username=name, defaults={"role": Role.OPERATOR})[0]


def sign_in(name: str = "faults") -> str:
    """Return the key of a session of that person."""
    user = person(name)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


class Visitor:
    """Looks at health, pages and API of a web process all the time, until the oracle asks what was seen."""

    def __init__(self, stage: Stage, **more: str) -> None:
        _, self.client = open_door(stage, **more)
        self.client.cookies.set(settings.SESSION_COOKIE_NAME, sign_in())
        #: path, status, seconds, whether it says when to come again
        self.seen: list[tuple[str, int, float, bool]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self._thread.start()
        stage.after(self.end)

    def has_seen(self, status: int, *, after: int = 0) -> bool:
        return any(one[1] == status for one in self.seen[after:])

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def violations(self, *, patience: float) -> Iterator[str]:
        """Tell which answers were mistakes, and which kinds came too late."""
        self.end()
        fine = {(200, False), (503, True)}
        odd = {(path, status) for path, status, _, told in self.seen if (status, told) not in fine}
        yield from (f"I11 {path} answered {status}" for path, status in sorted(odd))
        for path in PATHS:
            most = _HEALTH_SECONDS if path == "/healthz" else _PAGE_SECONDS
            took = sorted(seconds for asked, status, seconds, _ in self.seen if asked == path and status == 200)
            if took and (slow := took[int(len(took) * 0.95)]) > most * patience:
                yield f"I11 {path} took {slow:.2f} s"
        refused = max((seconds for _, status, seconds, _ in self.seen if status == 503), default=0)
        if refused > _REFUSAL_SECONDS * patience:
            yield f"I11 it took {refused:.1f} s to say 503"

    def figure(self) -> str:
        took = sorted(seconds for _, _, seconds, _ in self.seen)
        return f"{len(took)} answers, 95 % within {took[int(len(took) * 0.95)] * 1000:.0f} ms" if took else "none"

    def _visit(self) -> None:
        while not self._ended.wait(_PAUSE):
            for path in PATHS:
                began = time.monotonic()
                try:
                    answer = self.client.get(path)
                    found = answer.status_code, "Retry-After" in answer.headers
                except httpx.HTTPError:
                    found = 0, False
                self.seen.append((path, found[0], time.monotonic() - began, found[1]))
