"""A query that works too long is stopped, on SQLite and Postgres, and the answer says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from stepwell.accounts import actions
from stepwell.accounts.models import User
from stepwell.kit import patience

#: some seconds of work
LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000) {} SELECT count(*) FROM n"


@pytest.fixture
def impatient(transactional_db: None):
    """The connection of an instance where a query may take a third of a second."""

    def open_anew() -> None:
        connection.close()
        if connection.vendor == "postgresql":
            connection.close_pool()

    options = connection.settings_dict["OPTIONS"]
    patience.limit_queries(connection, seconds=0.3)
    open_anew()
    yield
    connection.settings_dict["OPTIONS"] = options
    open_anew()


def slow(execute: Callable[..., Any], sql: str, params: Any, *more: Any) -> Any:
    """Work long wherever runs are read."""
    if 'FROM "runs_run"' in sql:
        return execute(LONG.format(""), None, *more)
    return execute(sql, params, *more)


def read(fetch: Callable[[Any], Any]) -> None:
    """Find the first row at once and the second one late."""
    with connection.cursor() as cursor:
        cursor.execute(LONG.format("SELECT 0 UNION ALL"))
        fetch(cursor)


@pytest.mark.timeout(60)
def test_a_long_query_is_stopped_and_page_and_api_say_so(impatient: None, as_alice: Client, alice: User) -> None:
    as_alice.raise_request_exception = False
    _, raw = actions.make_token(user=alice, name="test", role="viewer")

    with connection.execute_wrapper(slow):
        page = as_alice.get("/runs/")
        answer = as_alice.get("/api/v1/runs", headers={"Authorization": f"Bearer {raw}"})

    assert (page.status_code, page["Retry-After"]) == (503, "10")
    assert "took the database longer than 5 seconds" in page.content.decode()
    assert "try again in 10 seconds" in page.content.decode()
    assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "10", "too_slow")

    assert as_alice.get("/runs/").status_code == 200
    for fetch in (lambda cursor: cursor.fetchall(), lambda cursor: cursor.fetchmany(10**9), list):
        with pytest.raises(OperationalError) as caught:
            read(fetch)
        assert patience.took_too_long(caught.value)


def test_the_web_process_is_impatient_and_the_others_are_not(tmp_path) -> None:
    said = "from django.db import connection; print('{} is ' + str(connection.settings_dict['OPTIONS']))"
    code = f"import stepwell.conf.asgi; {said.format('web')}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "statement_timeout=5000" in done.stdout or "seconds=5.0" in done.stdout
    assert "factory" not in connection.settings_dict["OPTIONS"]
    assert "statement_timeout" not in connection.settings_dict["OPTIONS"].get("options", "")
