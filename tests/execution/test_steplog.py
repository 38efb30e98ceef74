"""What a step prints, shown where its script runs: in a terminal, and in a notebook, whose stdout takes text only."""

from __future__ import annotations

import io
import sys

import pytest

from stepwell.execution.steplog import StepLog


@pytest.fixture
def log(tmp_path):
    made = StepLog(tmp_path / "1.log", cap_bytes=1000, keeps_output=True, is_echoed=True)
    yield made
    made.seal()


def test_a_notebook_shows_what_a_step_prints(log, monkeypatch):
    cell = io.StringIO()
    monkeypatch.setattr(sys, "stdout", cell)
    log.write("grüße\n".encode())

    assert cell.getvalue() == "grüße\n"


def test_a_terminal_gets_the_bytes_as_they_are(log, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    log.write(b"\xff\xfe\n")

    assert terminal.buffer.getvalue() == b"\xff\xfe\n"


def test_a_stdout_that_is_closed_or_gone_costs_nothing(log, monkeypatch, tmp_path):
    closed = io.StringIO()
    closed.close()
    for stdout in (closed, None):
        monkeypatch.setattr(sys, "stdout", stdout)
        log.write(b"kept\n")
    log.seal()

    assert (tmp_path / "1.log").read_bytes().count(b"kept\n") == 2
