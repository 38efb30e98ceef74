"""Markup in every stored text, looked at on every page in a real browser: nothing of it becomes part of a page."""

from __future__ import annotations

import json
import re

import pytest

from tests.plugins.server import Server
from tests.web.test_canaries import SEEN

#: what these do is blocked, and Chromium says so
FRAMED = {"report.html", "chart.svg"}
LOOK = """() => ({
  made: document.querySelectorAll('x-canary').length,
  images: [...document.images].filter(image => image.getAttribute('src') === 'x').length,
  text: document.documentElement.textContent + [...document.querySelectorAll('*')].flatMap(
    element => [...element.attributes].map(attribute => attribute.value)).join(' ') +
    [...document.querySelectorAll('textarea, input')].map(field => field.value).join(' '),
})"""


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("canaries"))
    try:
        running.start()
        person = running.hand("tests.live.seed:sign_in", role="admin")
        running.person = person
        running.addresses = running.hand("tests.e2e.canaries:make", person=person["name"])
        yield running
    finally:
        running.stop()


@pytest.fixture
def page(spoiled, browser):
    context = browser.new_context(base_url=spoiled.url)
    context.add_cookies([{"name": Server.cookie, "value": spoiled.person["session"], "url": spoiled.url}])
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.troubles = []
    page.on("dialog", lambda dialog: (page.troubles.append("a dialog"), dialog.dismiss()))
    page.on("console", lambda said: page.troubles.append(said.text) if "Content Security" in said.text else None)
    page.expose_function("fired", lambda: page.troubles.append("fired"))
    yield page
    context.close()


@pytest.mark.timeout(300)
def test_no_stored_text_becomes_markup_on_any_page(spoiled, page):
    seen: set[str] = set()
    for name, address in spoiled.addresses.items():
        if name in FRAMED:
            continue
        response = page.goto(address, wait_until="load")
        # A form may refuse what was spoiled; the page is there all the same.
        assert response.status in ({404} if name == "missing" else {200, 422}), (name, address)
        found = page.evaluate(LOOK)
        assert (found["made"], found["images"], page.troubles) == (0, 0, []), (name, address)
        seen |= set(re.findall(r"<x-canary>([\w.]+)", found["text"]))

    assert not SEEN - seen, " ".join(sorted(SEEN - seen))


@pytest.mark.timeout(60)
def test_a_report_of_a_step_reaches_nothing_of_ours(spoiled, page):
    page.goto(spoiled.addresses["report.html"], wait_until="load")
    page.frame_locator("iframe").get_by_text("fetch").wait_for()
    told = json.loads(page.frame_locator("iframe").locator("body").inner_text())

    assert set(told.values()) <= {"blocked", ""}, told
    assert (
        told["parent"]
        == told["cookie"]
        == told["storage"]
        == told["fetch"]
        == told["top"]
        == told["popup"]
        == "blocked"
    )
    assert page.url.endswith(spoiled.addresses["report.html"])
    assert len(page.context.pages) == 1
    page.goto(spoiled.addresses["chart.svg"], wait_until="load")
    assert not {"fired", "a dialog"} & set(page.troubles)
