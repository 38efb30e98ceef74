"""An instance as people have it: a bit of everything, for pictures of every page and for looking at each with axe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from stepwell.accounts.models import AuditEvent, User
from stepwell.artifacts.models import StepArtifact
from stepwell.core.status import RunStatus
from stepwell.core.timing import Timing
from stepwell.desk.failures import acknowledge
from stepwell.desk.models import Notice, Watch
from stepwell.desk.view_actions import mark_view, save_view
from stepwell.execution import bulk, moves, nodes, scheduling
from stepwell.runs.models import DriverCall, Run, RunnerNode, Wait
from tests import factories

RUN_TABS = ("graph", "timeline", "logs", "artifacts", "config", "code", "events")
STEPS = ("load_data", "clean", "train_model", "evaluate", "report")
LOG = "".join(f"epoch {number}: loss {1 / number:.4f}\n" for number in range(1, 60))


def make(*, person: str) -> dict[str, str]:
    """Make the scene for a person; return the address of every page, by a short name."""
    user = User.objects.get(username=person)
    pipelines = [
        factories.make_pipeline(name, docstring=text, steps=STEPS)
        for name, text in (
            ("train-churn", "Train the churn model on last month's customers."),
            ("nightly-report-of-sales", "Numbers of the day, mailed at six."),
            ("embed-reviews", ""),
        )
    ]
    runs = [_run(pipelines[index % 3], index) for index in range(36)]
    failed = [_failed(pipelines[0], user, index) for index in range(4)]
    acknowledge(run=failed[0], note="The disk was full; cleaned up.", by=user)
    running = factories.make_run(
        pipeline=pipelines[0],
        status="running",
        seconds=80,
        tags=["gpu", "v3"],
        actor_name="ana",
        steps={
            "load_data": "completed",
            "clean": "cached",
            "train_model": "running",
            "evaluate": "pending",
            "report": "pending",
        },
    )
    node = nodes.register(RunnerNode.Kind.RUNNER, slots=4)
    running.steps.get(name="train_model").attempts.update(owner_id=node.id, progress={"done": 30, "total": 100})
    rows, model = _artifacts(runs[-3])
    job = _bulk(user, failed)
    _desk(user, running)
    schedule = scheduling.make_schedule(
        pipeline=pipelines[0],
        name=f"nightly of {person}",
        timing=Timing(cron="30 2 * * *", zone="Europe/Berlin"),
        parameters={"epochs": 20},
        by=user,
    )
    wait = _question(pipelines[1])
    return {
        "home": "/",
        "runs": "/runs/",
        "runs-filtered": "/runs/?status=failed&status=running&tag=gpu&since=30d&cols=name.tags.steps.by.started.took",
        "runs-timeline": "/runs/?show=timeline",
        "runs-scatter": "/runs/?show=scatter",
        "runs-none": "/runs/?text=nothing-like-it",
        "unresolved": "/runs/unresolved/",
        "cause": f"/errors/{failed[1].fingerprint}/",
        "compare": f"/runs/compare/?run={runs[0].number}&run={runs[3].number}&run={failed[1].number}",
        "compare-choose": "/runs/compare/",
        "views": "/views/",
        "bulk-new": f"/bulk/new/?act=rerun_failed&run={failed[1].number}&run={failed[2].number}",
        "bulk": f"/bulk/{job}/",
        "bulks": "/bulk/",
        "inbox": "/inbox/",
        "pipelines": "/pipelines/",
        "pipeline": f"/pipelines/{pipelines[0].slug}/",
        "pipeline-durations": f"/pipelines/{pipelines[0].slug}/durations/",
        "pipeline-code": f"/pipelines/{pipelines[0].slug}/code/",
        "pipeline-graph": f"/pipelines/{pipelines[0].slug}/graph/",
        "pipeline-defaults": f"/pipelines/{pipelines[0].slug}/defaults/?all=1",
        "pipeline-run": f"/pipelines/{pipelines[0].slug}/run/",
        "artifacts": "/artifacts/",
        "artifact": f"/artifacts/{model}/",
        "artifact-source": f"/artifacts/{rows}/",
        "runners": "/runners/",
        "run-running": f"/runs/{running.number}/",
        "run-failed": f"/runs/{failed[1].number}/",
        **{f"run-{tab}": f"/runs/{failed[1].number}/{tab}/" for tab in RUN_TABS},
        "log": f"/runs/{failed[1].number}/logs/evaluate/3/",
        "rerun": f"/runs/{failed[1].number}/rerun/",
        "models": "/models/",
        "schedules": "/schedules/",
        "schedule": f"/schedules/{schedule.id}/",
        "schedule-new": f"/schedules/new/?pipeline={pipelines[0].slug}",
        "waits": "/waits/",
        "wait": f"/waits/{wait.id}/",
        "find": "/find/?q=train",
        "keys": "/help/keys/",
        "me": "/me/",
        "tokens": "/tokens/",
        "secrets": "/secrets/",
        "stack": "/stack/",
        "settings": "/settings/",
        "people": "/people/",
        "audit": "/audit/",
        "missing": "/runs/nowhere/",
    }


def unresolved() -> int:
    return Run.objects.filter(is_unresolved=True).count()


def five_failures(*, rerun: int, acknowledged: int) -> str:
    """Make five runs fail alike, some rerun with success, some acknowledged; return the fingerprint."""
    user = factories.make_user()
    pipeline = factories.make_pipeline()
    failed = [_failed(pipeline, user, index, fingerprint="five") for index in range(5)]
    for run in failed[:rerun]:
        end(run=str(factories.make_run(pipeline=pipeline, status="running", parent=run).id), status="completed")
    for run in failed[rerun : rerun + acknowledged]:
        acknowledge(run=run, note="known", by=user)
    return failed[0].fingerprint


def bulk_runs(*, n: int, broken: int) -> None:
    """Make ``n`` finished runs tagged bulk-me; the code of ``broken`` of them was not kept."""
    kept, gone = factories.make_pipeline(), factories.make_pipeline(can_run=False)
    with transaction.atomic():
        for index in range(n):
            factories.make_run(pipeline=gone if index < broken else kept, tags=["bulk-me"])


def audited(*, action: str, reason: str) -> int:
    return AuditEvent.objects.filter(action=action, after__reason=reason).count()


def running() -> dict[str, Any]:
    run = factories.make_run(status="running", steps={"train": "running"})
    return {"id": str(run.id), "number": run.number}


def end(*, run: str, status: str) -> None:
    with transaction.atomic():
        moves.move_run(UUID(run), RunStatus(status), old=(RunStatus.RUNNING,))


def _run(pipeline: Any, index: int) -> Run:
    started = timezone.now() - timedelta(minutes=50 * (36 - index))
    status = "cancelled" if index % 17 == 5 else "completed"
    seconds = 200 + 37 * (index % 5)
    return factories.make_run(
        pipeline=pipeline,
        status=status,
        steps=STEPS,
        started=started,
        seconds=seconds,
        took_seconds=seconds,
        trigger="schedule" if index % 3 == 1 else "browser",
        actor_name="" if index % 3 == 1 else "ana",
        tags=["gpu"] if index % 4 == 0 else [],
        parameters={"learning_rate": 0.01 * (1 + index % 2), "epochs": 10},
    )


def _failed(pipeline: Any, user: User, index: int, *, fingerprint: str = "") -> Run:
    run = factories.make_run(
        pipeline=pipeline,
        status="running",
        seconds=372 + index,
        actor=user,
        actor_name=user.username,
        steps={"load_data": "completed", "clean": "cached", "train_model": "completed"},
        tags=["gpu", "v3"],
    )
    step = factories.make_step(run, "evaluate", status="failed", attempts=False)
    what = {"error_message": "no such file: new.csv", "error_type": "FileNotFoundError"} if index == 3 else {}
    cause = fingerprint or f"f{index // 3}" * 4
    for _ in range(3):
        factories.make_attempt(step, status="failed", error_fingerprint=cause, log=LOG, **what)
    factories.make_step(run, "report", status="skipped", status_reason="evaluate failed")
    with transaction.atomic():
        moves.move_run(run.id, RunStatus.FAILED, old=(RunStatus.RUNNING,), reason="evaluate failed")
    run.refresh_from_db()
    return run


def _artifacts(run: Run) -> tuple[str, str]:
    load, train = run.steps.get(name="load_data"), run.steps.get(name="train_model")
    rows = factories.make_artifact(load, metadata={"rows": 14211, "columns": 24}, size=1_913_000)
    model = factories.make_artifact(
        train, type="sklearn.RandomForestClassifier", metadata={"accuracy": 0.913}, size=88_000
    )
    StepArtifact.objects.create(
        step_run=train, artifact_version=rows, direction=StepArtifact.Direction.INPUT, name="rows"
    )
    return str(rows.id), str(model.id)


def _bulk(user: User, failed: list[Run]) -> str:
    runs = Run.objects.filter(pk__in=[run.pk for run in failed[:3]])
    job = bulk.ask(act="acknowledge", runs=runs, reason="known: the disk of the old machine", actor=user)
    while bulk.work_off(limit=1):
        break
    return str(job.id)


def _question(pipeline: Any) -> Wait:
    run = factories.make_run(pipeline=pipeline, status="paused", is_dynamic=True)
    driver = factories.make_step(run, ":driver", status="paused", kind="driver", attempts=False)
    call = DriverCall.objects.create(driver=driver, ordinal=1, kind="wait", name="approve", input_hash="0" * 64)
    fields = {
        "rate": {"type": "number", "minimum": 0, "maximum": 1, "description": "Share of all traffic."},
        "zone": {"enum": ["eu", "us"]},
    }
    schema = {"type": "object", "properties": fields, "required": ["rate", "zone"]}
    question = "Accuracy is 0.93, 0.91 before. Send the new model to production?"
    return Wait.objects.create(run=run, call=call, name="approve", question=question, schema=schema)


def _desk(user: User, running: Run) -> None:
    view = save_view(user=user, name="Nightly failures", query="status=failed&since=30d", is_shared=True)
    mark_view(user=user, view=view, is_pinned=True)
    save_view(user=user, name="Mine", query=f"by={user.username}", is_shared=False)
    Notice.objects.create(user=user, status="completed", text="train-churn #30 completed", path="/runs/30/")
    Notice.objects.create(
        user=user, status="failed", text="embed-corpus #29 failed", path="/runs/29/", read_at=timezone.now()
    )
    Watch.objects.create(user=user, run=running)
