"""Runs for the tests of a run's pages, put into the server's database by a hand (another process)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.utils import timezone

from stepwell.core.plan import Group, Retry, StepOptions
from stepwell.execution import actions
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Attempt, DriverCall, Run, StepEdge, StepRun
from tests import factories

TRACE = (
    "Traceback (most recent call last):\n"
    '  File "train.py", line 88, in score\n'
    "    return preds @ onehot.T\n"
    "ValueError: shapes (32,10) and (32,12) not aligned\n"
)
_SOURCE = '''@pipeline
def train(learning_rate: float = 0.01):
    """Train, and say how good it is."""
    rows = load()
    model = fit(rows, rate=learning_rate)
    return evaluate(model, rows)
'''


def failed_run(*, name: str = "score-model", n_same: int = 2) -> dict[str, Any]:
    """Make a run of six steps whose fourth failed at its third attempt, and ``n_same`` earlier ones alike."""
    pipeline = factories.make_pipeline(name)
    fingerprint = hashlib.sha256(name.encode()).hexdigest()
    pipeline.snapshots.update(spec={**pipeline.newest_snapshot.spec, "source_code": _SOURCE})
    for _ in range(n_same):
        earlier = factories.make_run(pipeline=pipeline, status="failed", steps={"load": "completed"})
        step = factories.make_step(earlier, "evaluate", status="failed", attempts=False)
        factories.make_attempt(step, status="failed", error_fingerprint=fingerprint, log=TRACE)
    newer = factories.make_snapshot(pipeline, git_commit="9f2c1ab00d")
    newer.spec = {**newer.spec, "source_code": _SOURCE.replace("rate=learning_rate", "rate=learning_rate, epochs=20")}
    newer.code_hash = "beef" * 16
    newer.save()
    begin = timezone.now() - timedelta(minutes=20)
    run = factories.make_run(
        pipeline=pipeline, snapshot=newer, status="failed", started=begin, seconds=372, actor_name="ana", tags=["gpu"]
    )
    previous, at = None, begin
    for step, seconds in (("load", 12), ("clean", 30), ("split", 8)):
        previous = factories.make_step(
            run, step, started=at, seconds=seconds, after=previous, cache_key=f"{step}-key", cache_reason=_RAN
        )
        at += timedelta(seconds=seconds)
    factories.make_artifact(
        run.steps.get(invocation_id="load"), "rows", files={"head.csv": "id,label\n1,a\n2,b\n"}, metadata={"rows": 1200}
    )
    options = StepOptions(retry=Retry(max_retries=2, delay=10), timeout=600)
    evaluate = factories.make_step(
        run, "evaluate", status="failed", started=at, seconds=200, after=previous, attempts=False, options=options
    )
    evaluate.plan["origins"] = {"retry": "step", "timeout": "pipeline"}
    evaluate.save()
    for number in range(1, 4):
        text = "".join(f"batch {line} loss {1 / line:.4f}\n" for line in range(1, 41)) + TRACE + "cleaning up\n"
        attempt = factories.make_attempt(
            evaluate,
            status="failed",
            started=at + timedelta(seconds=80 * (number - 1)),
            seconds=40,
            log=text,
            error_fingerprint=fingerprint,
        )
        # What a retry waited for lies between the attempts.
        Attempt.objects.filter(id=attempt.id).update(queued_at=attempt.started_at - timedelta(seconds=5))
    report = factories.make_step(run, "report", status="skipped", after=evaluate, status_reason="evaluate failed.")
    factories.make_step(run, "publish", status="skipped", after=report, status_reason="report was skipped.")
    for kind, told in (("run.created", {"trigger": "browser", "by": "ana"}), ("run.status", {"status": "failed"})):
        factories.make_event(run, kind, **told)
    return {"number": run.number, "id": str(run.id)}


_RAN = "Ran because parameter learning_rate changed from 0.1 to 0.01."


def cached_run() -> dict[str, Any]:
    """Make a run whose first step took the result of an earlier one."""
    pipeline = factories.make_pipeline("cached-model")
    first = factories.make_run(pipeline=pipeline, started=timezone.now() - timedelta(hours=3), seconds=60)
    made = factories.make_step(first, "load", started=first.started_at, cache_key="c" * 64)
    run = factories.make_run(pipeline=pipeline, seconds=20)
    reason = f"Taken from run #{first.number}: same code, parameters and inputs."
    factories.make_step(run, "load", status="cached", origin_step=made, cache_reason=reason, cache_key="c" * 64)
    factories.make_step(run, "train", cache_reason=_RAN)
    return {"number": run.number, "first": first.number}


def waiting_run(*, name: str) -> dict[str, Any]:
    """Make a run with a step that failed twice and waits for its third attempt."""
    run = factories.make_run(pipeline=factories.make_pipeline(name), status="running")
    step = factories.make_step(
        run,
        "download",
        status="retrying",
        attempts=False,
        next_attempt_at=timezone.now().timestamp() + 45,
        options=StepOptions(retry=Retry(max_retries=3, delay=45)),
    )
    for number in (1, 2):
        factories.make_attempt(step, status="failed", seconds=10 * number, log=f"try {number}\n{TRACE}")
    beating = factories.make_step(run, "train", status="running")
    return {"number": run.number, "attempt": str(beating.attempts.get().id)}


def idle_run() -> dict[str, Any]:
    """Make a run with three hours in which nothing ran, a step that took longer than usual, and two usual runs."""
    pipeline = factories.make_pipeline("idle-model")
    for _ in range(2):
        factories.make_run(pipeline=pipeline, steps=["load", "train", "report"], seconds=90)
    begin = timezone.now() - timedelta(hours=4)
    hours = 3 * 3600
    run = factories.make_run(pipeline=pipeline, started=begin, seconds=hours + 160)
    load = factories.make_step(run, "load", started=begin, seconds=40)
    train = factories.make_step(run, "train", started=begin + timedelta(seconds=hours + 40), seconds=90, after=load)
    side = factories.make_step(run, "side", started=begin, seconds=10)
    report = factories.make_step(run, "report", started=begin + timedelta(seconds=hours + 130), seconds=30, after=train)
    StepEdge.objects.create(upstream=side, downstream=report)
    return {"number": run.number}


def large_run(*, n: int = 1000, n_groups: int = 20) -> dict[str, Any]:
    """Make a run of ``n`` steps in ``n_groups`` groups, each with a step before and after it."""
    run = factories.make_run(pipeline=factories.make_pipeline(f"large-{n}-{n_groups}"), status="running")
    template = factories.make_step(run, "begin")
    rows, edges = [], []
    per_group = (n - 2) // n_groups
    plan = template.plan
    for index in range(n_groups * per_group):
        group = index // per_group
        options = StepOptions(group=Group(id=f"fold{group}", name=f"fold {group}")).model_dump(mode="json")
        name = f"train_{index}"
        rows.append(
            StepRun(
                run=run,
                invocation_id=name,
                name="train",
                ordinal=index + 2,
                status="completed" if index % 50 else "failed",
                plan={**plan, "invocation_id": name, "options": options},
            )
        )
    StepRun.objects.bulk_create(rows)
    last = factories.make_step(run, "report", status="pending", ordinal=n)
    edges = [StepEdge(upstream=template, downstream=row) for row in rows]
    edges += [StepEdge(upstream=row, downstream=last) for row in rows]
    StepEdge.objects.bulk_create(edges)
    return {"number": run.number, "id": str(run.id)}


def plain_run(*, n: int = 1000) -> dict[str, Any]:
    """Make a run of ``n`` steps without groups, each with a name of its own and up to two steps before it."""
    run = factories.make_run(pipeline=factories.make_pipeline(f"plain-{n}"))
    plan = factories.make_step(run, "begin").plan
    rows = [
        StepRun(run=run, invocation_id=f"s{i}", name=f"s{i}", ordinal=i + 2, status="completed", plan=plan)
        for i in range(n)
    ]
    StepRun.objects.bulk_create(rows)
    ups = [(i, max(0, i - 1 - (i * 7) % 30)) for i in range(1, n)]
    StepEdge.objects.bulk_create([StepEdge(upstream=rows[up], downstream=rows[i]) for i, up in ups])
    return {"number": run.number}


def mapped_run(*, n: int = 1000) -> dict[str, Any]:
    """Make a running dynamic run with one map of ``n`` items: 3 failed, the last 47 open, the others done."""
    run = factories.make_run(pipeline=factories.make_pipeline(f"mapped-{n}"), status="running", is_dynamic=True)
    load = factories.make_step(run, "load")
    driver = factories.make_step(run, ":driver", status="running", kind="driver", attempts=False)
    call = DriverCall.objects.create(
        driver=driver, ordinal=1, kind="map", name="train", invocation_id="train", input_hash="0" * 64, count=n
    )
    rows = []
    for index in range(n):
        status = "failed" if index in {100, 500, 900} else "completed" if index < n - 47 else "pending"
        rows.append(
            StepRun(
                run=run,
                invocation_id=f"train:{index}",
                name="train",
                ordinal=index + 3,
                status=status,
                call=call,
                map_index=index,
                plan=load.plan,
            )
        )
    StepRun.objects.bulk_create(rows)
    StepEdge.objects.bulk_create([StepEdge(upstream=load, downstream=row) for row in rows])
    return {"number": run.number, "id": str(run.id)}


def move_step(*, number: int, name: str, status: str) -> None:
    """Move a step and tell it, as the engine does."""
    step = StepRun.objects.get(run__number=number, invocation_id=name)
    step.status = status
    step.save(update_fields=["status"])
    factories.make_event(step.run, "step.status", invocation_id=name, status=status)


def newer_code(*, name: str) -> None:
    """Store code of a pipeline that nothing ran yet."""
    newest = Run.objects.filter(pipeline__name=name).order_by("-id").first().pipeline.newest_snapshot
    newest.pipeline.snapshots.create(
        number=newest.number + 1, spec=newest.spec, parameters_schema=newest.parameters_schema, code_hash="a" * 64
    )


def start(*, pipeline: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """Start a run, as the API does; return its number."""
    found = Pipeline.objects.get(name=pipeline)
    return {"number": actions.start_run(pipeline=found, parameters=parameters or {}, trigger="api").number}


def status_of(*, number: int) -> dict[str, str]:
    """Return the status of each step of a run, and of the run as ``""``."""
    run = Run.objects.get(number=number)
    return {"": run.status, **dict(run.steps.values_list("invocation_id", "status"))}


def rerun_of(*, number: int) -> dict[str, Any]:
    """Return what is stored of the newest rerun of a run."""
    run = Run.objects.filter(parent__number=number).order_by("-id").first()
    if run is None:
        return {}
    return {
        "number": run.number,
        "scope": run.rerun_scope,
        "steps": run.rerun_steps,
        "parameters": run.parameters,
        "overrides": run.overrides["steps"],
        "changes": run.changes,
        "code": run.snapshot.number,
    }
