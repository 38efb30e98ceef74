"""The schema goes back to the first release's and forward again with rows in it, on SQLite and Postgres alike."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from stepwell.core.ids import new_id

FIRST = [
    ("accounts", "0001_initial"),
    ("vault", "0001_initial"),
    ("stacks", "0002_component_default"),
    ("pipelines", "0002_schedule"),
    ("runs", "0003_cleanup_kind"),
    ("artifacts", "0002_model"),
]
#: apps that came later
LATER = [("alerts", None), ("desk", None)]


@pytest.fixture
def old():
    """The models of the first release, on its schema; afterwards the schema is today's again."""
    executor = MigrationExecutor(connection)
    today = executor.loader.graph.leaf_nodes()
    try:
        executor.migrate([*LATER, *FIRST])
        yield MigrationExecutor(connection).loader.project_state(FIRST).apps
    finally:
        MigrationExecutor(connection).migrate(today)


@pytest.mark.django_db(transaction=True)
def test_rows_of_the_first_release_come_through(old):
    pipeline = old.get_model("pipelines", "Pipeline").objects.create(name="train", slug="train")
    snapshot = old.get_model("pipelines", "Snapshot").objects.create(
        pipeline=pipeline, number=1, spec={}, parameters_schema={}
    )
    run = old.get_model("runs", "Run").objects.create(
        number=7, name="run", pipeline=pipeline, snapshot=snapshot, status="running", trigger="api"
    )
    step = old.get_model("runs", "StepRun").objects.create(run=run, invocation_id="a", name="a", status="running")
    old.get_model("runs", "Attempt").objects.create(step_run=step, number=1, status="running", owner_id=new_id())

    MigrationExecutor(connection).migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())

    from stepwell.runs.models import HookCall, Run

    found = Run.objects.get(number=7)
    assert (found.status, found.steps.get().attempts.get().number) == ("running", 1)
    assert HookCall.objects.filter(run=found).count() == 0
