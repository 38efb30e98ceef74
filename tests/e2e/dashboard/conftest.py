"""The server of the dashboard's tests: one for the folder, with some thousand runs; ``crowded`` has 100,000."""

from __future__ import annotations

import os
import platform
from collections import Counter

import pytest

from tests.alerts.conftest import heard
from tests.plugins.server import ROOT, Server, browser

__all__ = ["browser", "heard"]

SOME, MANY = 3_000, 100_000
DEADLINE = 10_000  # ms
FIGURES = ROOT / "build" / "dashboard-figures.txt"


def is_quiet() -> bool:
    """Return whether this machine is free enough for a time to mean anything: no more than two at each core."""
    return os.getloadavg()[0] <= 2 * (os.cpu_count() or 1)


def pytest_terminal_summary(terminalreporter):
    """Tell what the tests measured, and how long each file took; docs/dashboard.md has it from here."""
    reports = [one for kind in ("passed", "failed", "error") for one in terminalreporter.getreports(kind)]
    ours = [one for one in reports if "e2e/dashboard/" in one.nodeid]
    seconds: Counter[str] = Counter()
    lines = [f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {platform.python_version()}"]
    for one in ours:
        seconds[one.nodeid.partition("::")[0].rpartition("/")[2]] += one.duration
        if one.when == "call":
            name = one.nodeid.partition("::")[2]
            lines += [f"{name}: {what}: {figure}" for what, figure in one.user_properties]
    lines += [f"{file}: {took:.0f} s" for file, took in sorted(seconds.items())]
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text("\n".join(lines) + "\n", encoding="utf-8")
    terminalreporter.section("figures of the dashboard")
    for line in lines:
        terminalreporter.line(line)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    """The server, with many runs; tests add what they look at and leave the rest alone."""
    running = Server(tmp_path_factory.mktemp("dashboard"), settings="tests.e2e.dashboard.settings")
    try:
        running.start()
        running.hand("tests.e2e.dashboard.seed:many_runs", n=SOME, numbered_after=MANY - SOME)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def crowded(seeded):
    """The server with 100,000 runs: older ones join those that are there."""
    seeded.hand("tests.e2e.dashboard.seed:many_runs", n=MANY - SOME, minutes_ago=SOME + 120)
    return seeded


@pytest.fixture
def sign_in(seeded, browser):
    """Return a page signed in as a new person of a role, or as nobody (``""``); script errors and what the content
    security policy refuses fail the test."""
    contexts, troubles = [], []

    def open_page(role="operator", **options):
        person = seeded.hand("tests.live.seed:sign_in", role=role) if role else {"name": "", "session": ""}
        context = browser.new_context(base_url=seeded.url, **{"viewport": {"width": 1280, "height": 800}, **options})
        if role:
            context.add_cookies([{"name": Server.cookie, "value": person["session"], "url": seeded.url}])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE)
        page.person = person
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: troubles.append(said.text) if "Content Security" in said.text else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def page(sign_in):
    return sign_in()


@pytest.fixture(scope="session")
def scene(seeded):
    """The address of every page, of an instance with a bit of everything."""
    person = seeded.hand("tests.live.seed:sign_in", role="admin", name="ana")
    return seeded.hand("tests.e2e.dashboard.scene:make", person=person["name"])
