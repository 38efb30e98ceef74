"""The server of the dashboard's tests: one for the folder, with some thousand runs; ``crowded`` has 100,000."""

from __future__ import annotations

import os

import pytest

from tests.plugins.server import Server, browser

__all__ = ["browser"]

SOME, MANY = 3_000, 100_000
DEADLINE = 10_000  # ms


def is_quiet() -> bool:
    """Return whether this machine is free enough for a time to mean anything: no more than two at each core."""
    return os.getloadavg()[0] <= 2 * (os.cpu_count() or 1)


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
    """Return a page signed in as a new person of a role; script errors and refused resources fail the test."""
    contexts, troubles = [], []

    def open_page(role="operator", **options):
        person = seeded.hand("tests.live.seed:sign_in", role=role)
        context = browser.new_context(base_url=seeded.url, **{"viewport": {"width": 1280, "height": 800}, **options})
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
