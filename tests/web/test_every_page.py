"""Every page there is, by the table of addresses: none is forgotten where all are looked at, and each answers."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from stepwell.accounts.models import User
from tests.e2e.dashboard import scene
from tests.web.page import read

#: what a browser can ask for that is no page of ours: (name, why)
NO_PAGE = {
    "healthz": "a probe",
    "readyz": "a probe",
    "audit_csv": "a file",
    "audit_json": "a file",
    "runs:export": "a file",
    "runs:compare_csv": "a file",
    "runs:rows": "rows for a list that is open",
    "runs:tag_choices": "choices for a field that is open",
    "views:counts": "numbers for a list that is open",
    "artifacts:raw": "a file",
    "runs:parameters": "leads to the config",
    "runs:step": "leads to the panel of the step",
    "runs:log_raw": "a file",
    "runs:log_download": "a file",
    "runs:log_lines": "lines for a log that is open",
    "runs:log_search": "hits for a log that is open",
    "runs:log_outline": "folds for a log that is open",
    "openid_connect_login": "leads to the provider",
    "openid_connect_callback": "leads home, or shows the error page that is in the list",
}


def patterns(resolver: URLResolver, namespace: str = "") -> dict[str, URLPattern]:
    found: dict[str, URLPattern] = {}
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            found |= patterns(one, ":".join(filter(None, [namespace, one.namespace])))
        else:
            found[":".join(filter(None, [namespace, one.name]))] = one
    return found


def answers_get(pattern: URLPattern) -> bool:
    """Return whether a view takes GET; who may not is told before anything else."""
    request = RequestFactory().get("/")
    request.user, request.htmx = User(), False
    kwargs = dict.fromkeys(pattern.pattern.converters, "x")
    try:
        return pattern.callback(request, **kwargs).status_code != 405
    except Exception:
        return True


def forms_nobody_can_send(answer: HttpResponse) -> list[str]:
    """Return the addresses of a page's forms that would change something and have no token."""
    forms = read(answer, status=answer.status_code).all("form", method="post")
    return [form.attributes.get("action") or "" for form in forms if not form.has("input", name="csrfmiddlewaretoken")]


@pytest.mark.django_db
def test_the_list_of_pages_has_every_page_and_each_answers(client: Client) -> None:
    admin = User.objects.create(username="ana", role="admin")
    client.force_login(admin)
    addresses, outside = scene.make(person="ana"), scene.outside()

    ours = patterns(get_resolver("stepwell.web.urls"))
    pages = {name for name, pattern in ours.items() if answers_get(pattern)} - NO_PAGE.keys()
    listed = {resolve(urlsplit(address).path).view_name for address in [*addresses.values(), *outside.values()]}
    assert pages - listed == set()
    answers = {name: client.get(address) for name, address in addresses.items()}
    expected = dict.fromkeys(addresses, 200) | {"missing": 404}
    assert {name: answer.status_code for name, answer in answers.items()} == expected
    assert [name for name, answer in answers.items() if forms_nobody_can_send(answer)] == []
    client.logout()
    assert {name: client.get(address).status_code for name, address in outside.items()} == {
        "login": 200,
        "login-link": 200,
        "login-join": 200,
        "login-gone": 410,
    }
