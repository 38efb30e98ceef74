"""Every address is read once as admin; several tests look at what came back."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from django.apps import apps
from django.http import HttpResponse

from tests.execution.make import make_run, queue
from tests.plugins.cast import client_of, make_person
from tests.web.test_access_list import places

#: what reading may write: sessions, and the one row of settings, made when it is first read
_MAY_CHANGE = {"sessions.Session", "accounts.InstanceSettings"}
OTHER_SITES = ["https://evil.example", "null", "http://testserver.evil.example"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    method: str
    path: str
    status: int
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Crawl:
    """What came back, and the rows that were not afterwards as they were before."""

    answers: list[Answer] = field(default_factory=list)
    changed: dict[str, list[Any]]


def rows() -> dict[str, list[Any]]:
    return {
        model._meta.label: sorted(model.objects.values_list(), key=repr)
        for model in apps.get_models()
        if model._meta.managed and model._meta.label not in _MAY_CHANGE
    }


def addresses() -> list[str]:
    """Every address there is; those of a run and its parts lead to one that is there."""
    run = make_run({"a": []})
    queue(run, "a")
    real = {"/runs/sample": f"/runs/{run.number}", "01890000-0000-7000-8000-000000000000": str(run.id)}
    found = set()
    for place in places():
        path = place.path
        for sample, value in real.items():
            path = path.replace(sample, value)
        found.add(path)
    return sorted(found)


def crawl() -> Crawl:
    """GET each address from another site's page, HEAD where that gave something, and ask whether other sites may."""
    paths = addresses()
    client = client_of(make_person("crawler", "admin"))
    before = rows()
    answers: list[Answer] = []

    def ask(method: str, path: str, origin: str, **headers: str) -> HttpResponse:
        response = getattr(client, method)(path, headers={"Origin": origin, **headers})
        answers.append(
            Answer(method=method, path=path, status=response.status_code, headers=dict(response.headers.items()))
        )
        return response

    for path, origin in zip(paths, cycle(OTHER_SITES), strict=False):
        if ask("get", path, origin).status_code == 200:
            ask("head", path, origin)
        ask("options", path, origin, **{"Access-Control-Request-Method": "POST"})
    after = rows()
    return Crawl(answers=answers, changed={label: after[label] for label in after if after[label] != before[label]})
