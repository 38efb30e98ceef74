"""Signing in by a company's provider, against a real server and a provider on loopback."""

from __future__ import annotations

import httpx
import pytest

from tests.plugins.server import Server
from tests.processes.provider import CLIENT, SECRET, running


@pytest.fixture(scope="module")
def provider():
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def company(provider, tmp_path_factory):
    """A server that names the provider."""
    server = Server(
        tmp_path_factory.mktemp("oidc"),
        STEPWELL_OIDC_URL=provider.url,
        STEPWELL_OIDC_CLIENT=CLIENT,
        STEPWELL_OIDC_SECRET=SECRET,
        STEPWELL_OIDC_NAME="Acme",
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def browser(company):
    with httpx.Client(base_url=company.url, follow_redirects=True) as client:
        yield client


def sign_in(browser, provider, *, next="/me/", lie="", **claims):
    provider.person, provider.lie = claims, lie
    return browser.get("/oidc/sso/login/", params={"next": next})


def acts(company) -> list[str]:
    return company.hand("tests.processes.oidc_seed:acts")


def test_somebody_new_joins_as_a_viewer_and_comes_back_as_the_same_person(company, provider, browser):
    assert "Sign in by Acme" in browser.get("/login/").text
    first = sign_in(browser, provider, sub="1", preferred_username="ana")
    assert (first.status_code, first.url.path) == (200, "/me/")
    assert "ana" in first.text
    assert "Viewer" in first.text
    browser.cookies.clear()
    again = sign_in(browser, provider, sub="1", preferred_username="renamed")

    assert "ana" in again.text
    assert company.hand("tests.processes.oidc_seed:names").count("ana") == 1
    assert acts(company)[-2:] == ["sign_in", "sign_in"]


def test_a_name_that_is_here_already_is_not_taken_over(company, provider, browser):
    company.hand("tests.live.seed:sign_in", name="boss", role="admin")
    refused = sign_in(browser, provider, sub="2", preferred_username="boss")

    assert refused.status_code == 409
    assert "person called boss already" in refused.text
    assert "sign in as you did before" in refused.text
    assert browser.get("/me/").url.path == "/login/"


def test_somebody_switched_off_stays_out(company, provider, browser):
    sign_in(browser, provider, sub="3", preferred_username="cleo")
    company.hand("tests.live.seed:switch_off", name="cleo")
    browser.cookies.clear()

    assert sign_in(browser, provider, sub="3", preferred_username="cleo").status_code == 403
    assert browser.get("/me/").url.path == "/login/"


@pytest.mark.parametrize("lie", ["audience", "issuer", "expired"])
def test_what_the_provider_says_is_checked(company, provider, browser, lie):
    refused = sign_in(browser, provider, lie=lie, sub="4", preferred_username="dora")

    assert refused.status_code == 403
    assert "did not work" in refused.text
    assert "dora" not in company.hand("tests.processes.oidc_seed:names")
    assert acts(company)[-1] == "sign_in.failed"


@pytest.mark.parametrize("query", [{}, {"code": "x"}, {"code": "x", "state": "y"}, {"error": "access_denied"}])
def test_nobody_comes_in_by_the_answer_alone(company, browser, query):
    assert browser.get("/oidc/sso/callback/", params=query).status_code in {401, 403}
    assert browser.get("/oidc/other/login/").status_code == 404
    assert browser.get("/me/").url.path == "/login/"


def test_afterwards_one_stays_on_this_instance(company, provider, browser):
    after = sign_in(browser, provider, next="//evil.example/", sub="1", preferred_username="ana")

    assert str(after.url) == f"{company.url}/"
