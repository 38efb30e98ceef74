"""Prepared statements answer what the ORM answers, and are compiled once."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext

from stepwell.core.status import AttemptStatus, StepStatus
from stepwell.kit.models import DbNow
from stepwell.kit.prepared import Insert, Select, Slot, Update
from stepwell.runs.models import Attempt, Run, RunEvent, StepRun
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def step() -> StepRun:
    return factories.make_step(factories.make_run(parameters={"rate": 0.1, "names": ["ä", None]}))


def test_rows_are_what_the_orm_reads(step: StepRun) -> None:
    queryset = StepRun.objects.select_related("run__pipeline", "call").defer("run__overrides")
    [found] = Select(lambda: queryset.filter(id=Slot("step"))).rows(step=step.id)
    wanted = queryset.get(id=step.id)

    fields = [field.attname for field in StepRun._meta.concrete_fields]
    assert [getattr(found, name) for name in fields] == [getattr(wanted, name) for name in fields]
    with CaptureQueriesContext(connection) as queries:
        assert found.run.parameters == {"rate": 0.1, "names": ["ä", None]}
        assert found.run.pipeline == wanted.run.pipeline
        assert found.call is None
    assert len(queries) == 0
    assert found.run.get_deferred_fields() == {"overrides"}
    found.save()


def test_values_are_converted(step: StepRun) -> None:
    select = Select(
        lambda: StepRun.objects.filter(run__created_at__lte=Slot("now")).values_list(
            "id", "run__created_at", "run__parameters", "run__parameters__names", "next_attempt_at"
        )
    )
    now = datetime.now(UTC)

    assert select.rows(now=now) == [
        (step.id, step.run.created_at, step.run.parameters, ["ä", None], None),
    ]
    assert select.first(now=datetime(2000, 1, 1, tzinfo=UTC)) is None
    with pytest.raises(StepRun.DoesNotExist):
        select.one(now=datetime(2000, 1, 1, tzinfo=UTC))


def test_an_update_changes_the_rows_it_names_and_counts_them(step: StepRun) -> None:
    other = factories.make_step(step.run, "other")
    update = Update(
        lambda: StepRun.objects.filter(id=Slot("step"), failures=Slot("failures")), crashes=F("crashes") + 1
    )
    now = datetime.now(UTC)
    changes = {"status": StepStatus.FAILED, "ended_at": now, "plan": {"a": "text"}, "origin_step_id": other.id}

    assert update(changes, step=step.id, failures=step.failures + 1) == 0
    assert update(changes, step=step.id, failures=step.failures) == 1
    assert update(step=step.id, failures=step.failures) == 1
    stored = StepRun.objects.get(id=step.id)
    assert (stored.status, stored.ended_at, stored.plan) == ("failed", now, {"a": "text"})
    assert (stored.origin_step, stored.crashes - step.crashes) == (other, 2)
    other.refresh_from_db()
    assert other.crashes == 0


def test_an_insert_stores_what_the_orm_would(step: StepRun) -> None:
    numbers = [10, 11]
    attempts = [Attempt(step_run=step, number=10), Attempt(step_run=step, number=11, status=AttemptStatus.FAILED)]
    insert = Insert(Attempt, rung_at=DbNow())

    insert(*attempts)
    insert(Attempt(step_run=step, number=12, status=AttemptStatus.FAILED, progress={"done": 1}))
    stored = list(Attempt.objects.filter(step_run=step, number__in=numbers))
    assert [one.id for one in stored] == [one.id for one in attempts]
    assert all(abs(one.rung_at - datetime.now(UTC).timestamp()) < 60 for one in stored)
    assert stored[0].queued_at is not None
    assert Attempt.objects.get(step_run=step, number=12).progress == {"done": 1}
    attempts[0].save()
    Insert(RunEvent)(RunEvent(run=step.run, seq=999, kind="note", payload={"message": "ok"}))
    assert RunEvent.objects.get(run=step.run, seq=999).payload == {"message": "ok"}


def test_nothing_is_compiled_at_the_second_use(step: StepRun, monkeypatch: pytest.MonkeyPatch) -> None:
    select = Select(lambda: Run.objects.filter(id=Slot("run")))
    update = Update(lambda: Run.objects.filter(id=Slot("run")))
    insert = Insert(RunEvent)
    for seq in (901, 902):
        assert select.one(run=step.run_id) == step.run
        assert select.rows(run=uuid4()) == []
        assert update({"rerun_steps": ["a"]}, run=step.run_id) == 1
        insert(RunEvent(run=step.run, seq=seq, kind="note"))
        monkeypatch.setattr(SQLCompiler, "as_sql", None)
        monkeypatch.setattr(SQLCompiler, "pre_sql_setup", None)
