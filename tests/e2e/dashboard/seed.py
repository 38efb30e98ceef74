"""What the dashboard's tests find in the server's database; called by a hand (another process)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from stepwell.core.status import StepStatus
from stepwell.pipelines.models import Pipeline, Snapshot
from stepwell.runs.models import Counter, Run, StepRun

PIPELINES = ("train-model", "nightly-report", "embed-corpus", "release-model", "sync-catalogue")
_SPEC: dict[str, Any] = {
    "name": "",
    "source": {"module": "train", "qualname": "train"},
    "parameters_schema": {},
    "source_code": "",
}
#: the newest runs have steps, as lists show them
_WITH_STEPS = 300


def make_pipelines() -> list[Pipeline]:
    """Make the pipelines there are not, each with code that was kept."""
    pipelines = []
    for name in PIPELINES:
        pipeline, is_new = Pipeline.objects.get_or_create(name=name, defaults={"slug": name})
        if is_new:
            Snapshot.objects.create(
                pipeline=pipeline, number=1, spec={**_SPEC, "name": name}, code_hash="c0de" * 16, entry_file="train.py"
            )
        pipelines.append(pipeline)
    return pipelines


def many_runs(*, n: int, numbered_after: int = 0, minutes_ago: int = 60) -> int:
    """Make ``n`` finished runs, a minute apart, the newest ``minutes_ago``; return the highest number."""
    make_pipelines()
    begin = int(datetime.now(UTC).timestamp()) - 60 * (n + minutes_ago)
    with transaction.atomic():
        _insert_runs(n, begin, numbered_after)
        newest = list(Run.objects.filter(steps=None).order_by("-id")[:_WITH_STEPS])
        StepRun.objects.bulk_create([step for run in newest for step in _steps(run)])
        highest = Run.objects.order_by("-number").values_list("number", flat=True)[0]
        Counter.objects.update_or_create(name="run", defaults={"value": highest})
    return highest


#: column -> what it is in run number i + 1; ids are UUIDv7 of the time (core.ids)
_RUN = {
    "id": "printf('%012x7%03x8%015x', (:begin + 60 * i) * 1000, i % 4096, i)",
    "number": "i + 1 + :numbered_after",
    "name": "pipeline.name || '-' || (i + 1 + :numbered_after)",
    "pipeline_id": "pipeline.id",
    "snapshot_id": "(SELECT id FROM pipelines_snapshot WHERE pipeline_id = pipeline.id)",
    "status": "CASE i % 20 WHEN 7 THEN 'failed' WHEN 13 THEN 'failed' WHEN 17 THEN 'cancelled' ELSE 'completed' END",
    "trigger": "CASE i % 4 WHEN 0 THEN 'schedule' WHEN 1 THEN 'browser' WHEN 2 THEN 'script' ELSE 'api' END",
    "actor_name": "substr('anaben', 1 + 3 * (i % 3), 3)",
    "tags": "CASE i % 400 WHEN 0 THEN '[\"gpu\"]' ELSE '[]' END",
    "created_at": "datetime(:begin + 60 * i, 'unixepoch')",
    "started_at": "datetime(:begin + 60 * i, 'unixepoch')",
    "ended_at": "datetime(:begin + 60 * i + 30 + i * 37 % 900, 'unixepoch')",
    "took_seconds": "30.0 + i * 37 % 900",
}


def _insert_runs(n: int, begin: int, numbered_after: int) -> None:
    """Insert the runs by one statement, with the indexes made anew after it; ``bulk_create`` takes a minute here."""
    blank = Run(created_at=datetime.now(UTC), updated_at=datetime.now(UTC))
    defaults = {
        field.column: field.get_db_prep_save(getattr(blank, field.attname), connection)
        for field in Run._meta.concrete_fields
        if field.column not in _RUN
    }
    columns = {**_RUN, **{name: f":{name}" for name in defaults}}
    names = ", ".join(f'"{name}"' for name in columns)
    connection.ensure_connection()
    database = connection.connection
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'runs_run' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        database.execute(f'DROP INDEX "{name}"')
    database.execute(
        f"""WITH RECURSIVE counted(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM counted WHERE i + 1 < :n)
        INSERT INTO runs_run ({names}) SELECT {", ".join(columns.values())} FROM counted
        JOIN (SELECT id, name, row_number() OVER (ORDER BY name) - 1 AS place FROM pipelines_pipeline) AS pipeline
        ON pipeline.place = i % :pipelines ORDER BY i""",
        {**defaults, "n": n, "begin": begin, "pipelines": len(PIPELINES), "numbered_after": numbered_after},
    )
    for _, sql in indexes:
        database.execute(sql)


def _steps(run: Run) -> list[StepRun]:
    last = {"completed": StepStatus.COMPLETED, "failed": StepStatus.FAILED}.get(run.status, StepStatus.CANCELLED)
    statuses = ("completed", "cached", "completed", last)
    names = ("load", "clean", "train", "report")
    return [
        StepRun(run=run, invocation_id=name, name=name, ordinal=index, status=status, started_at=run.started_at)
        for index, (name, status) in enumerate(zip(names, statuses, strict=True))
    ]


def touch(*, number: int) -> None:
    """Have a run tell that something of it changed."""
    Run.objects.filter(number=number).update(updated_at=datetime.now(UTC))


def new_runs(*, n: int, status: str = "running") -> list[str]:
    """Make ``n`` runs now, each in a transaction of its own; return their ids."""
    pipeline = make_pipelines()[0]
    snapshot = Snapshot.objects.get(pipeline=pipeline)
    made = []
    for _ in range(n):
        with transaction.atomic():
            number = (Run.objects.order_by("-number").values_list("number", flat=True).first() or 0) + 1
            run = Run.objects.create(
                number=number,
                name=f"{pipeline.name}-{number}",
                pipeline=pipeline,
                snapshot=snapshot,
                status=status,
                trigger="browser",
                started_at=datetime.now(UTC),
            )
            Counter.objects.update_or_create(name="run", defaults={"value": number})
        made.append(str(run.id))
    return made
