"""Opening a run's page, and a run that failed as runs do."""

from __future__ import annotations

from django.test import Client

from stepwell.core.plan import Retry, StepOptions
from stepwell.runs.models import Run
from tests import factories
from tests.web.page import Element, read


def open_run(client: Client, run: Run, query: str = "", **headers: str) -> Element:
    return read(client.get(f"/runs/{run.number}/{query}", headers=headers))


def failed_run(**fields: object) -> Run:
    """load done, train failed at its third attempt of three, report skipped."""
    run = factories.make_run(status="failed", seconds=372, **fields)
    load = factories.make_step(run, "load", seconds=12)
    options = StepOptions(retry=Retry(max_retries=2, delay=10))
    train = factories.make_step(run, "train", status="failed", after=load, attempts=False, options=options)
    for _ in range(3):
        factories.make_attempt(train, status="failed", log="epoch 1\nValueError: shapes\n")
    factories.make_step(run, "report", status="skipped", after=train, status_reason="train failed")
    return run
