"""Browsers that lose the server, do not read, or are many; and a server that is restarted under them."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import psutil
from django.conf import settings
from websockets.exceptions import WebSocketException

from stepwell.runs.logs import log_path
from stepwell.runs.models import Run
from tests.faults.door import open_door, sign_in
from tests.faults.proxy import Proxy
from tests.faults.scenarios import NotHere, scenario
from tests.faults.stage import PATIENCE, STEADY, Stage, check
from tests.faults.stores import free_port
from tests.live.tab import Deaf, Tab

#: as the pages do: the server says something every 4 s
_SILENCE = 9.5
#: 300 tabs: a person may have a hundred in one web process
_N_PEOPLE, _N_TABS_EACH = 5, 60


def server_at(port: int) -> Any:
    return SimpleNamespace(url=f"http://127.0.0.1:{port}", cookie=settings.SESSION_COOKIE_NAME)


class Follower:
    """Follows the log of an attempt as a page does: when the line is cut it goes on from its cursor."""

    def __init__(self, port: int, session: str, attempt: object) -> None:
        self._port, self._session, self._topic = port, session, f"log:{attempt}"
        self.cursor = self.n_connections = 0
        self.problem = ""
        self.quiet = 0.0

    def follow(self, until: int, *, seconds: float) -> None:
        """Read until the cursor is at ``until``."""
        deadline = time.monotonic() + seconds
        while self.cursor < until and time.monotonic() < deadline and not self.problem:
            with suppress(OSError, WebSocketException, TimeoutError), self._tab() as tab:
                self.n_connections += 1
                tab.ask(self._topic, after=self.cursor)
                while self.cursor < until and time.monotonic() < deadline and not self.problem:
                    self._take(tab)
            time.sleep(0.1)

    def _tab(self) -> Tab:
        return Tab(server_at(self._port), self._session, open_timeout=3, close_timeout=0.2)

    def _take(self, tab: Tab) -> None:
        began = time.monotonic()
        try:
            message = tab.receive(_SILENCE, skip=())
        except TimeoutError:
            self.quiet = max(self.quiet, time.monotonic() - began)
            raise
        if message["type"] != "log":
            return
        if message["from"] != self.cursor:
            self.problem = f"at {self.cursor} came {message['from']} to {message['to']}"
        self.cursor = message["to"]


def _begin(stage: Stage, **parameters: Any) -> tuple[Run, object]:
    run = stage.start("chatty", **parameters)
    stage.until_noted_of("begin", run)
    return run, stage.attempts(run, "first")[0].id


def _begin_behind_proxy(stage: Stage, *, seconds: float) -> tuple[Proxy, Run, object]:
    """Begin a run whose log can be followed through a line that we may cut."""
    stage.runner(**STEADY)
    port = free_port()
    open_door(stage, port=port)
    proxy = Proxy(port)
    stage.after(proxy.close)
    return proxy, *_begin(stage, seconds=seconds)


@scenario("F54", limit=120)
def sockets_cut(stage: Stage) -> int:
    """Sockets of a page are reset, swallowed, half-open and cut in a message: its log goes on without gap or double."""
    proxy, run, attempt = _begin_behind_proxy(stage, seconds=16.0)
    follower = Follower(proxy.port, sign_in(), attempt)
    reader = threading.Thread(target=follower.follow, args=(1 << 40,), kwargs={"seconds": 60 * PATIENCE}, daemon=True)
    reader.start()
    for fault in ("reset", "cut", "half", "reset", "stall"):
        time.sleep(1)
        if fault == "cut":
            proxy.cut_after(300)
        elif fault != "reset":
            proxy.mode = fault
            stage.until(lambda: not proxy.n_open or follower.quiet, "silence is noticed", seconds=_SILENCE + 2)
            follower.quiet, proxy.mode = 0.0, "pass"
        proxy.reset()
    stage.wait(seconds=40)
    size = log_path(run.id, attempt).stat().st_size
    stage.until(lambda: follower.cursor >= size or follower.problem, "the whole log was read", seconds=20)
    follower.problem = follower.problem or "done"
    reader.join()
    check(follower.problem == "done", f"a gap or a double: {follower.problem}")
    check(follower.cursor == size, f"{follower.cursor} of {size} bytes")
    stage.figures["connections"] = follower.n_connections
    check(follower.n_connections > 4, f"{follower.n_connections} connections")
    return 5


@scenario("F55 F32", limit=120)
def tabs_many(stage: Stage) -> int:
    """300 idle tabs of five people, three read nothing of a flood: the web stays small and quick, the run goes on."""
    stage.runner(**STEADY)
    visitor = stage.watch_web()
    web = psutil.Process(next(one.pid for one in stage.processes if one.log.name.startswith("web")))
    session, server = sign_in(), server_at(visitor.client.base_url.port)
    before = web.memory_info().rss
    people = [sign_in(f"viewer-{number}") for number in range(_N_PEOPLE)]
    idle = [Tab(server, one, ping_interval=None) for one in people for _ in range(_N_TABS_EACH)]
    for tab in idle:
        tab.ask("runs")
    run = stage.start("flooding", megabytes=40)
    stage.until_noted("begin")
    attempt = stage.attempts(run, "flood")[0].id
    deaf = [Deaf(server, session, f"log:{attempt}") for _ in range(3)]
    stage.wait(seconds=60)
    check(stage.status(run) == "completed", stage.status(run))
    deadline = time.monotonic() + 20 * PATIENCE
    cut = [one.is_cut_off(within=max(0.0, deadline - time.monotonic())) for one in deaf]
    grown = (web.memory_info().rss - before) / 2**20
    stage.figures["web grew"] = f"{grown:.0f} MB"
    for tab in idle:
        tab.cut()
    check(all(cut), "who reads nothing is kept")
    check(grown < 120, f"the web process grew by {grown:.0f} MB")
    return len(idle) + 3


@scenario("F56", limit=120)
def web_restarted(stage: Stage) -> int:
    """kill -9 of the web process with 40 tabs that follow a log, and a new one: all go on, none misses a byte."""
    stage.runner(**STEADY)
    port, session = free_port(), sign_in()
    web, _ = open_door(stage, port=port)
    run, attempt = _begin(stage, seconds=8.0)
    followers = [Follower(port, session, attempt) for _ in range(40)]
    readers = [
        threading.Thread(target=one.follow, args=(1 << 40,), kwargs={"seconds": 90 * PATIENCE}, daemon=True)
        for one in followers
    ]
    for reader in readers:
        reader.start()
    stage.until(lambda: all(one.cursor for one in followers), "all follow")
    web.kill()
    open_door(stage, port=port)
    stage.wait(seconds=40)
    size = log_path(run.id, attempt).stat().st_size
    behind = [one for one in followers if one.cursor < size]
    with suppress(AssertionError):
        stage.until(lambda: all(one.cursor >= size or one.problem for one in followers), "all have read it", seconds=20)
    problems = [one.problem for one in followers if one.problem]
    behind = [one for one in followers if one.cursor < size]
    for one in followers:
        one.problem = one.problem or "done"
    for reader in readers:
        reader.join()
    check(not problems, f"gaps or doubles: {problems[:3]}")
    check(not behind, f"{len(behind)} of {len(followers)} tabs did not come back")
    return len(followers)


@scenario("F54 F56", limit=120)
def page_cut_off(stage: Stage) -> int:
    """A page in a browser whose server falls silent says so within 10 s, and goes on by itself when it is back."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if program is None:
        raise NotHere("there is no Chromium")
    from playwright.sync_api import sync_playwright

    proxy, run, _ = _begin_behind_proxy(stage, seconds=25.0)
    session = sign_in()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            page = _open(browser, server_at(proxy.port), session, run)
            for fault in ("stall", "half"):
                proxy.mode = fault
                began = time.monotonic()
                _await_state(page, "reconnecting", 10 * PATIENCE)
                stage.figures[fault] = f"told after {time.monotonic() - began:.1f} s"
                proxy.mode = "pass"
                proxy.reset()
                _await_state(page, "live", 30 * PATIENCE)
            stage.wait(seconds=60)
            page.wait_for_selector('live-run[data-status="completed"]', timeout=20_000 * PATIENCE, state="attached")
        finally:
            browser.close()
    return 2


def _open(browser: Any, server: Any, session: str, run: Run) -> Any:
    context = browser.new_context()
    context.add_cookies([{"name": server.cookie, "value": session, "url": server.url}])
    page = context.new_page()
    page.goto(f"{server.url}/runs/{run.number}/", timeout=30_000 * PATIENCE)
    _await_state(page, "live", 20 * PATIENCE)
    return page


def _await_state(page: Any, state: str, seconds: float) -> None:
    from playwright.sync_api import TimeoutError as TooLate

    try:
        page.wait_for_selector(f'#connection[data-state="{state}"]', state="attached", timeout=seconds * 1000)
    except TooLate:
        raise AssertionError(f"the page does not say {state} within {seconds:g} s") from None
