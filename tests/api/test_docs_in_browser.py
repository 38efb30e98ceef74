"""The documentation page in a real browser: it draws, calls the API, and breaks no rule of the security policy."""

from __future__ import annotations

from django.urls import reverse

from stepwell.accounts import actions
from tests.plugins.server import browser, server

__all__ = ["browser", "server"]


def login_path() -> str:
    """Return the path of a new login link; called in a process of the server's database."""
    return reverse("login_link", args=[actions.make_login_link(user=actions.first_admin())])


def test_it_draws_every_operation_and_calls_one_from_this_server_only(server, browser):
    context = browser.new_context()
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url + server.hand("tests.api.test_docs_in_browser:login_path"))
    if page.locator("main form button").count():
        page.locator("main form button").first.click()
    said.clear()
    asked.clear()

    page.goto(f"{server.url}/api/docs")
    page.wait_for_selector(".opblock")
    assert page.locator(".opblock").count() > 40
    page.locator("#operations-You-stepwell_api_app_get_me .opblock-summary").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.wait_for_selector(".live-responses-table")

    assert '"user": "admin"' in page.locator(".live-responses-table").first.inner_text()
    assert said == []
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []
    context.close()
