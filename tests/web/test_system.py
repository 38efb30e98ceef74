from __future__ import annotations

import sqlite3
import time

import pytest
from django.db import connection
from django.test import Client

from stepwell.execution import doctor
from stepwell.kit import gauges, machine
from stepwell.kit.findings import FAIL, WARN, Finding
from stepwell.runs.models import RunnerNode
from stepwell.web import present
from tests import factories
from tests.web.page import read


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch, settings, tmp_path) -> None:
    """An instance with nothing to complain about, but what a test makes wrong."""
    settings.HOME = tmp_path / "home"
    settings.HOME.mkdir(mode=0o700)
    RunnerNode.objects.create(kind=RunnerNode.Kind.RUNNER, host="h", pid=1, seen_at=time.time())
    monkeypatch.setattr(doctor, "check_space", lambda: Finding(name="disk", text="900.0 GiB free"))


def rows(client: Client, table: str) -> list[list[str]]:
    """Return the cells of a table of the page, row by row."""
    body = read(client.get("/system/")).one("table", aria_label=table).one("tbody")
    return [[cell.text for cell in row.all() if cell.tag in {"td", "th"}] for row in body.all("tr")]


def states(client: Client) -> dict[str, str]:
    """Return the state of each check, in the page's order."""
    return {check: state for state, check, _ in rows(client, "Checks")}


@pytest.mark.parametrize("who", ["as_bob", "as_charlie"])
def test_only_admins_see_it(who: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(who)

    assert client.get("/system/").status_code == 403
    assert "/system/" not in client.get("/").content.decode()


def test_a_well_instance_says_so(as_alice: Client, well: None) -> None:
    html = as_alice.get("/system/").content.decode()

    assert "All well" in html
    assert set(states(as_alice).values()) == {"Well"}
    assert machine.version() in html
    assert (sqlite3.sqlite_version if connection.vendor == "sqlite" else "PostgreSQL") in html


def test_what_is_wrong_comes_first_with_what_to_do(as_alice: Client, well: None, monkeypatch) -> None:
    RunnerNode.objects.update(seen_at=time.time() - 600)
    monkeypatch.setattr(doctor, "check_clock", lambda: Finding(name="clock", level=WARN, text="apart", todo="Use NTP."))
    found = list(states(as_alice).items())
    html = as_alice.get("/system/").content.decode()

    assert found[0] == ("runner", "Wrong")
    assert sorted(found[1:3]) == [("clock", "Warning"), ("dead runners", "Warning")]
    assert "3 to look at" in html
    assert "Start one: stepwell up, or stepwell runner." in html


def test_a_database_that_does_not_fit_is_told_and_no_error(as_alice: Client, well: None, monkeypatch) -> None:
    wrong = Finding(
        name="database", level=FAIL, text="2 migrations are missing: runs.0009", todo="stepwell manage migrate"
    )
    monkeypatch.setattr(doctor, "check_database", lambda: wrong)

    assert next(iter(states(as_alice))) == "database"
    assert "stepwell manage migrate" in as_alice.get("/system/").content.decode()


def test_what_is_stored_is_counted(as_alice: Client, well: None) -> None:
    run = factories.make_run(steps=2)
    step = run.steps.first()
    attempt = factories.make_attempt(step)
    attempt.log_bytes = 3 * 1024 * 1024
    attempt.save()
    version = factories.make_artifact(step, "model")
    stored = {what: (number, size) for what, number, size in rows(as_alice, "Stored")}

    assert stored["Runs"] == ("1", "")
    assert stored["Steps"] == ("2", "")
    assert stored["Logs"][1] == "3.0 MiB"
    assert stored["Results"] == ("1 version", present.size(version.size))
    assert not stored["Database"][1].startswith("0 ")


def test_open_pages_of_this_process_are_told(as_alice: Client, well: None, monkeypatch) -> None:
    monkeypatch.setitem(gauges.values, "sockets", 7)
    monkeypatch.setitem(gauges.values, "hub_topics", 3)

    assert "7 WebSockets, following 3 runs, logs or lists" in read(as_alice.get("/system/")).text


def test_the_whole_file_is_read_by_the_command_alone(as_alice: Client, well: None, monkeypatch) -> None:
    def read_it_all() -> Finding:
        raise AssertionError("a page must not take as long as the database is big")

    monkeypatch.setattr(doctor, "check_integrity", read_it_all)
    assert as_alice.get("/system/").status_code == 200


def test_queries_stay_the_same(as_alice: Client, well: None, django_assert_max_num_queries) -> None:
    for _ in range(5):
        run = factories.make_run(steps=2)
        factories.make_attempt(run.steps.first())
    with django_assert_max_num_queries(32):
        as_alice.get("/system/")
