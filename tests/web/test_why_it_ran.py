"""Why a step ran or was reused: on the run's page and in the API."""

from __future__ import annotations

import pytest
from django.test import Client

from tests import factories
from tests.web.run_pages import open_run

REASON = "Ran because parameter rate changed from 0.1 to 0.2 and helper train.clean changed."


@pytest.fixture
def run():
    made = factories.make_run(status="completed")
    factories.make_step(made, "train", status="completed", cache_reason=REASON)
    return made


def test_the_panel_of_a_step_that_ran_says_why(as_charlie: Client, run) -> None:
    assert REASON in open_run(as_charlie, run, "?step=train").one("div", id="panel").text


def test_the_api_says_why(as_charlie: Client, run) -> None:
    answer = as_charlie.get(f"/api/v1/runs/{run.number}/steps/train")

    assert answer.json()["cache_reason"] == REASON
