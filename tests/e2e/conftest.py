from __future__ import annotations

import pytest

from tests.commands import ROOT
from tests.plugins.server import browser
from tests.processes.instance import RunningInstance

__all__ = ["browser", "fresh", "page", "running"]


@pytest.fixture
def fresh(tmp_path):
    """A first start as ``make run`` does it: an empty data folder, and the examples."""
    (tmp_path / "home").mkdir()
    running = RunningInstance(tmp_path, "--examples", str(ROOT / "examples"))
    yield running
    running.stop()


@pytest.fixture
def running(tmp_path):
    """An instance with the examples that was started before."""
    running = RunningInstance(tmp_path, "--examples", str(ROOT / "examples"))
    yield running
    running.stop()


@pytest.fixture
def page(browser):
    """A page that fails the test on a script error or a refused resource of our own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert problems == []
