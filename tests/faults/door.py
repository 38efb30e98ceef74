"""A web process of a scenario's own, somebody who is signed in, and I11: how it answers whatever happens behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

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
_ASKING_SECONDS = 60
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


class Caller:
    """Starts runs over the API of a web process that may be killed: asks until it is told that the run is stored."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._port = stage, free_port()
        self.web, self._client = open_door(stage, port=self._port)
        self.n_asked_again = 0

    def revive(self) -> None:
        """Start the web process again if it is dead."""
        if not self.web.is_alive:
            self.web = self._stage.process("web", "--host", "127.0.0.1", "--port", str(self._port))

    def start(self, pipeline: str, **parameters: object) -> None:
        key, deadline = str(uuid4()), time.monotonic() + _ASKING_SECONDS
        while (answer := self._ask(pipeline, key, parameters)) is None or answer.status_code in {429, 503}:
            assert time.monotonic() < deadline, "the web process does not come back"
            self.n_asked_again += 1
            time.sleep(0.1)
        assert answer.is_success, answer.text[:300]
        self._stage.accepted.add(UUID(answer.json()["id"]))

    def _ask(self, pipeline: str, key: str, parameters: dict[str, object]) -> httpx.Response | None:
        body, headers = {"parameters": parameters}, {"Idempotency-Key": key}
        try:
            return self._client.post(f"/api/v1/pipelines/{pipeline}/runs", json=body, headers=headers)
        except httpx.HTTPError:
            return None


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
