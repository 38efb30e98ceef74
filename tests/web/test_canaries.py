"""Markup in every stored text: no page makes an element of it. In a browser, with scripts: tests/e2e/dashboard."""

from __future__ import annotations

import re

import pytest

from tests.e2e import canaries
from tests.plugins.cast import client_of, make_person
from tests.web.page import Element, read

pytestmark = pytest.mark.django_db

#: what must have been seen as text somewhere, or the test looks at nothing
SEEN = {
    *("pipeline.name", "run.name", "run.tags", "run.metadata", "steprun.name", "attempt.host"),
    *(
        "attempt.error_message",
        "attempt.error_traceback",
        "attempt.error_where",
        "artifact.name",
        "artifactversion.type",
    ),
    *("artifactversion.metadata", "user.username", "secret.name", "savedview.name", "notice.text", "wait.question"),
    *(
        "model.name",
        "modelversion.name",
        "component.name",
        "audit.actor",
        "audit.before",
        "log",
        "log.plain",
        "file.txt",
    ),
    *(
        "acknowledgement.note",
        "bulkjob.reason",
        "runnernode.host",
        "pipeline.docstring",
        "instance",
    ),
}


def words_of(page: Element) -> str:
    """Return all that was written as text or in an attribute."""
    attributes = (value or "" for element in page.all() for value in element.attributes.values())
    return " ".join((page.text, *attributes))


def test_no_stored_text_becomes_an_element_of_any_page(settings) -> None:
    person = make_person("alice", "admin")
    client = client_of(person)
    seen: set[str] = set()
    for name, address in canaries.make(person="alice").items():
        response = client.get(address)
        assert response.status_code < 500, (name, address)
        page = read(response, status=response.status_code)
        assert not page.has("x-canary"), (name, address)
        assert not page.has("img", src="x"), (name, address)
        seen |= set(re.findall(r"<x-canary>([\w.]+)", words_of(page)))

    assert not SEEN - seen, " ".join(sorted(SEEN - seen))
