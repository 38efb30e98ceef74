"""Odd texts in every field of the API and of every form: refused in words, or stored and given back as they were.

``make test`` runs this on SQLite and on Postgres.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from stepwell.api import auth
from stepwell.kit.allowance import Allowances
from tests.api.conftest import Caller, people, pipeline
from tests.api.test_artifacts import upload
from tests.api.test_components import TRACKER
from tests.api.test_contract import real
from tests.api.test_schedules import DAILY
from tests.fuzz.inputs import TIMES
from tests.plugins.cast import client_of
from tests.web.page import Element, form_of, read

__all__ = ["people", "pipeline", "real"]
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(3600)]

NASTY = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "a\udfffb",
    "𝒳😀",
    "\u202egpj.exe",
    "a\u200b\u200d\ufeff",
    "e\u0301",
    "\u00e9",
    "\u0130\u0131",
    "ﬃ",
    "x" * 300,
    "x" * 70_000,
    "\n2026-11-27 INFO login ok",
    "\r\n\t\x1b[31m\x07",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "{{7*7}}{% now %}${7*7}",
    "{x.__class__}",
    "%s%d%n",
    "' OR '1'='1",
    '"; DROP TABLE runs; --',
    "%",
    "_",
    "\\",
    "../../etc/passwd",
    "..\\..\\x",
    "/etc/passwd",
    "file:///etc/passwd",
    "NaN",
    "-0",
    "1e400",
    "9223372036854775808",
    "9999-12-31T23:59:59Z",
    "2026-03-29T02:30:00",
    "null",
    "true",
    "=HYPERLINK(1)",
    "a.",
    "CON",
    "-rf",
    "--upload-pack=x",
    "$(id)",
    "; id",
    "01890000-0000-7000-8000-00000000000A",
]
#: would sign the test out, or make hundreds of people
_LEFT_OUT = ("/logout/", "/me/sessions/", "/me/password/", "/people/")
_turn = itertools.count()


def some() -> Iterator[str]:
    """Yield a few of the texts, others each time, or all of them when time is given."""
    count = len(NASTY) if TIMES > 1 else 3
    for _ in range(count):
        yield NASTY[next(_turn) % len(NASTY)]


@pytest.fixture(autouse=True)
def _no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READS", "WRITES"):
        monkeypatch.setattr(auth, name, Allowances(burst=10**9, rate=1))


def bodies(real: dict[tuple[str, str], list[str]], caller: Caller) -> dict[str, Any]:
    """Return a body that fits for each operation that takes one."""
    run, model = real["runs", "ref"], "/models/churn/versions/1"
    target = {"run": run[0]}
    return {
        f"POST /pipelines/{real['pipelines', 'ref'][0]}/runs": {"name": "n", "tags": ["t"], "parameters": {"rows": 1}},
        f"POST /runs/{run[0]}/reruns": {"scope": "from_failed", "parameters": {"note": "n"}},
        f"POST /runs/{run[1]}/waits/approve/answer": {"answer": "yes"},
        "POST /schedules": {**DAILY, "name": "other", "parameters": {"rows": 3}},
        "PATCH /schedules/nightly": {"cron": "0 2 * * *", "timezone": "UTC"},
        "POST /schedules/nightly/backfills": {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"},
        "POST /components": {**TRACKER, "name": "other"},
        f"PATCH /components/{real['components', 'component_id'][0]}": {"config": TRACKER["config"]},
        "POST /artifact-versions": {
            "artifact": "a",
            "upload": upload(caller, file=b"1"),
            "version": "v",
            "materializer": "m",
            "type": "int",
            "tags": ["t"],
            "metadata": {"k": "v"},
        },
        f"POST /uploads/{real['uploads', 'upload'][0]}/parts": {"file": "f", "offset": 0, "content": "MTI="},
        "POST /metadata": {"target": target, "metadata": {"k": "v"}},
        "POST /tags": {"target": target, "add": ["x"], "remove": ["y"]},
        "POST /secrets": {"name": "n", "values": {"KEY": "a-long-value"}},
        "PUT /secrets/known": {"values": {"KEY": "a-long-value"}},
        f"POST {model}/stage": {"stage": "staging", "reason": "r"},
        f"POST {model}/metadata": {"metadata": {"k": "v"}},
        f"POST {model}/artifacts": {"artifact": real["artifact-versions", "version_id"][0]},
    }


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where texts stand in a body, keys of objects too (as the path to the object and the key's name)."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def put(body: Any, path: tuple[Any, ...], text: str) -> Any:
    made = copy.deepcopy(body)
    place = made
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = text
    return made


def test_every_text_of_the_api_is_refused_or_kept(people, real) -> None:
    admin = Caller(people["admin"])
    calls, kept = 0, 0
    for where, body in bodies(real, admin).items():
        method, address = where.split(" ")
        send = getattr(admin, method.lower())
        for path in leaves(body):
            for text in some():
                # JSON's own spelling, so that half characters can be sent
                response = send(address, put(body, path, text))
                calls += 1
                assert response.status_code < 500, (where, path, text[:60])
                if response.status_code < 300 and text.strip() and path[-1] in {"name", "artifact", "version", "k"}:
                    kept += 1
                    told = json.dumps(response.json(), ensure_ascii=False)
                    assert json.dumps(text.strip(), ensure_ascii=False)[1:-1] in told or told == '{"done": true}', (
                        where,
                        path,
                        text[:60],
                    )
    assert calls > 100
    assert kept > 5


def test_every_filter_and_path_of_the_api_takes_any_text(people, real) -> None:
    admin = Caller(people["admin"])
    addresses = [
        *("/runs/{}", "/pipelines/{}", "/models/{}", "/models/churn/versions/{}", "/schedules/{}", "/secrets/{}"),
        *("/artifact-versions/{}", "/steps/{}", "/components/{}", "/runs/1/steps/{}", "/schedules/{}/fires"),
    ]
    queries = [
        *(("/runs", name) for name in ("status", "pipeline", "trigger", "since", "cursor", "limit")),
        *(("/artifacts", name) for name in ("name", "cursor", "limit")),
        *(("/artifact-versions", name) for name in ("artifact", "run", "tag", "cursor")),
        *(("/artifact-versions/find", name) for name in ("ref", "version")),
        *(("/models", name) for name in ("text", "name", "cursor")),
        *(("/schedules", name) for name in ("pipeline", "cursor")),
        *(("/pipelines", name) for name in ("name", "cursor")),
    ]
    for address in addresses:
        for text in some():
            quoted = address.format("".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass")[:2000]))
            assert admin.get(quoted).status_code < 500, (address, text[:60])
    for address, name in queries:
        for text in some():
            sent = {name: text.encode("utf-8", "surrogatepass")}
            assert admin.get(address, data=sent).status_code < 500, (address, name, text[:60])


def form_pages(real: dict[tuple[str, str], list[str]]) -> list[str]:
    run = real["runs", "ref"]
    return [
        *("/me/", "/tokens/", "/people/", "/settings/", "/secrets/+/", "/secrets/known/", "/login/", "/runs/"),
        *(f"/pipelines/{real['pipelines', 'ref'][0]}/run/", f"/runs/{run[0]}/rerun/", "/schedules/new/", "/alerts/"),
        *(
            "/stack/+/experiment_tracker/mlflow/",
            f"/stack/{real['components', 'component_id'][0]}/",
            "/alerts/+/webhook/",
        ),
        *(
            f"/runs/{run[0]}/",
            "/models/churn/1/",
            f"/schedules/{real['schedules', 'ref'][1]}/edit/",
            "/waits/",
            "/errors/",
        ),
    ]


def test_every_field_of_every_form_takes_any_text(people, real) -> None:
    client = client_of(people["admin"])
    sent = 0
    for address in form_pages(real):
        response = client.get(address)
        if response.status_code != 200:
            assert response.status_code in {302, 404}, address
            continue
        page = read(response)
        for form in page.all("form", method="post"):
            action = form.attributes.get("action") or address
            if action.startswith(_LEFT_OUT) or "delet" in action:
                continue
            fields = form_of(Element("", {}, [form]), action) if form.attributes.get("action") else {}
            texts = [name for name, value in fields.items() if isinstance(value, str) and "csrf" not in name]
            for name, text in [(name, text) for name in texts for text in some()]:
                answer = client.post(action, {**fields, name: text.encode("utf-8", "surrogatepass")})
                sent += 1
                assert answer.status_code < 500, (action, name, text[:60])
    assert sent > 80
    assert client.get("/").status_code == 200


def test_every_filter_of_every_list_takes_any_text(people, real) -> None:
    client = client_of(people["admin"])
    for address, names in {
        "/runs/": (
            "status",
            "pipeline",
            "by",
            "tag",
            "error",
            "is",
            "since",
            "text",
            "sort",
            "cols",
            "after",
            "q",
            "jump",
        ),
        "/runs/compare/": ("run", "show"),
        "/audit/": ("action", "actor", "before"),
        "/models/": ("text", "after"),
        "/artifacts/": ("text", "after"),
        "/pipelines/": ("after", "text"),
        "/schedules/": ("after", "text"),
        "/find/": ("q",),
        "/runs/unresolved/": ("after", "pipeline"),
        "/runners/": ("after",),
        "/runs/rows/": ("id", "ids", "run"),
        "/bulk/new/": ("query", "act", "status"),
    }.items():
        for name in names:
            for text in some():
                sent = {name: text.encode("utf-8", "surrogatepass")}
                assert client.get(address, sent).status_code < 500, (address, name, text[:60])


def test_names_that_look_alike_stay_apart(people, pipeline) -> None:
    """One name in two Unicode forms is two names, on every database."""
    operator = Caller(people["operator"])
    for name in ("caf\u00e9", "cafe\u0301"):
        answer = operator.post("/schedules", {**DAILY, "name": name})
        assert answer.status_code == 201
        assert answer.json()["name"] == name
    assert {row["name"] for row in operator.get("/schedules").json()["items"]} == {"caf\u00e9", "cafe\u0301"}
