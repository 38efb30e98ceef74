"""Our own log: one line for each message, whatever is in it."""

from __future__ import annotations

import logging

import pytest

from stepwell.kit.logbook import LineFormatter


@pytest.mark.parametrize(
    "text", ["a\n2026-11-27 INFO login: ok", "a\r\nb", "a\x1b[2Jb", "a\x00b", "a\u2028b", "a\u202eb"]
)
def test_no_name_begins_a_line_of_its_own(text: str) -> None:
    record = logging.LogRecord("stepwell", logging.WARNING, "file", 1, "The run %s failed.", (text,), None)
    line = LineFormatter().format(record)

    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert line.endswith(("b failed.", "login: ok failed."))


def test_a_name_that_is_not_served_costs_a_line_and_not_a_traceback(client, caplog, db) -> None:
    with caplog.at_level(logging.ERROR):
        assert client.get("/login/", headers={"Host": "evil.example"}).status_code == 400

    lines = [LineFormatter().format(record) for record in caplog.records if "evil.example" in record.getMessage()]
    assert [len(line.splitlines()) for line in lines] == [1]
