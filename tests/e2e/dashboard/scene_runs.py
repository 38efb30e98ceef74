"""The runs of the scene, in every state a run can be looked at in, with times, logs and results as they come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from stepwell.accounts.models import User
from stepwell.artifacts.models import StepArtifact
from stepwell.core.plan import Plan, Retry, StepOptions
from stepwell.core.status import RunStatus
from stepwell.engine.endings import PARKED_REASON
from stepwell.execution import moves, nodes
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Attempt, DriverCall, Run, RunnerNode, StepEdge, StepRun, Wait
from tests import factories

STEPS = ("load_data", "clean", "train_model", "evaluate", "report")
#: how long each of them takes, in seconds
TOOK = (12, 8, 140, 40, 6)
SOURCE = '''@pipeline
def train(learning_rate: float = 0.01, epochs: int = 10):
    """Train on the newest rows, and say how good the model is."""
    rows = clean(load_data())
    model = train_model(rows, learning_rate, epochs)
    report(evaluate(model, rows))
'''
TRAINING = "".join(f"epoch {number}/40  loss {2 / (number + 3):.4f}\n" for number in range(1, 41))
BROKEN = (
    "INFO loading the checkpoint of epoch 40\n"
    + "".join(f"batch {number}/40  loss {1 / number:.4f}\n" for number in range(1, 41))
    + "WARNING the head has 12 classes, the data has 10\n"
    + factories.TRACEBACK
)
_WHY_IT_RAN = "Ran because parameter learning_rate changed from 0.02 to 0.01."
_RETRY = StepOptions(retry=Retry(max_retries=2, delay=10, backoff=2), timeout=600)


def past(pipeline: Pipeline, index: int, *, of: int) -> Run:
    """Make a run of the hours before: most completed, some cancelled."""
    started = timezone.now() - timedelta(minutes=50 * (of - index))
    is_cancelled = index % 17 == 5
    by_schedule = index % 3 == 1
    run = _begin(
        pipeline,
        status="cancelled" if is_cancelled else "completed",
        started=started,
        trigger="schedule" if by_schedule else "browser",
        actor_name="" if by_schedule else "ana",
        tags=["gpu"] if index % 4 == 0 else [],
        parameters={"learning_rate": 0.01 * (1 + index % 2), "epochs": 10},
    )
    factor = 1 + 0.18 * (index % 5)
    steps = _steps(run, started, factor, upto=2 if is_cancelled else 5, rest="cancelled")
    last = steps[1 if is_cancelled else 4].ended_at
    seconds = (last - started).total_seconds()
    Run.objects.filter(pk=run.pk).update(ended_at=last, took_seconds=seconds)
    run.refresh_from_db()
    return run


def failed(pipeline: Pipeline, user: User, index: int, *, fingerprint: str = "") -> Run:
    """Make a run whose evaluation failed at each of its three attempts."""
    began = timezone.now() - timedelta(minutes=9 * (index + 1))
    run = _begin(pipeline, status="running", started=began, actor=user, actor_name=user.username, tags=["gpu", "v3"])
    factories.make_event(run, "run.created", trigger="browser", by=user.username)
    *_, trained = _steps(run, began, 1, upto=3, takes_clean=True)
    what = {"error_message": "no such file: new.csv", "error_type": "FileNotFoundError"} if index == 3 else {}
    cause = fingerprint or f"f{index // 3}" * 4
    at = trained.ended_at
    step = factories.make_step(
        run, "evaluate", status="failed", started=at, seconds=117, after=trained, attempts=False, options=_RETRY
    )
    for number in range(3):
        begun = at + timedelta(seconds=(0, 39, 88)[number])
        attempt = factories.make_attempt(
            step, status="failed", started=begun, seconds=29, error_fingerprint=cause, log=BROKEN, **what
        )
        Attempt.objects.filter(pk=attempt.pk).update(queued_at=begun - timedelta(seconds=1))
    report = factories.make_step(run, "report", status="skipped", after=step, status_reason="evaluate failed")
    for one in (trained, step, report):
        factories.make_event(
            run, "step.status", step=str(one.id), invocation_id=one.name, name=one.name, status=one.status, reason=""
        )
    with transaction.atomic():
        moves.move_run(run.id, RunStatus.FAILED, old=(RunStatus.RUNNING,), reason="evaluate failed")
    ended = at + timedelta(seconds=117)
    Run.objects.filter(pk=run.pk).update(ended_at=ended, took_seconds=(ended - began).total_seconds())
    run.refresh_from_db()
    return run


def running(pipeline: Pipeline) -> Run:
    """Make a run that trains, on a runner that is well."""
    began = timezone.now() - timedelta(seconds=80)
    run = _begin(pipeline, status="running", started=began, tags=["gpu", "v3"], actor_name="ana")
    *_, cleaned = _steps(run, began, 1, upto=2)
    train = factories.make_step(
        run, "train_model", status="running", started=cleaned.ended_at, after=cleaned, attempts=False, options=_RETRY
    )
    node = nodes.register(RunnerNode.Kind.RUNNER, slots=4)
    progress = {"done": 30, "total": 100, "message": "epoch 12"}
    factories.make_attempt(
        train, status="running", started=cleaned.ended_at, owner_id=node.id, progress=progress, log=TRAINING[:700]
    )
    evaluate = factories.make_step(run, "evaluate", status="pending", after=train)
    factories.make_step(run, "report", status="pending", after=evaluate)
    return run


def queued(pipeline: Pipeline) -> Run:
    return factories.make_run(pipeline=pipeline, status="queued", seconds=4, actor_name="ben")


def cancelling(pipeline: Pipeline) -> Run:
    run = factories.make_run(
        pipeline=pipeline,
        status="cancelling",
        actor_name="ben",
        cancel_requested_by="ana",
        steps={"load_data": "completed", "clean": "running", "train_model": "cancelled"},
    )
    run.steps.filter(name="train_model").update(status_reason="The run was cancelled.")
    return run


def retrying(pipeline: Pipeline) -> Run:
    """Make a run whose step waits for its third attempt."""
    run = factories.make_run(pipeline=pipeline, status="running", actor_name="ana", seconds=40)
    step = factories.make_step(
        run,
        "download",
        status="retrying",
        attempts=False,
        next_attempt_at=timezone.now().timestamp() + 900,
        options=StepOptions(retry=Retry(max_retries=3, delay=900)),
    )
    for number in (1, 2):
        factories.make_attempt(step, status="failed", seconds=10 * number, log=f"try {number}\n{factories.TRACEBACK}")
    return run


def dynamic_failed(pipeline: Pipeline) -> Run:
    """Make a dynamic run with a map of twelve, one of which failed, and then its driver."""
    began = timezone.now() - timedelta(minutes=4)
    run = factories.make_run(
        pipeline=pipeline, status="failed", is_dynamic=True, started=began, seconds=60, actor_name="ben",
        status_reason="score:7 failed: ValueError: shapes (32,10) and (32,12) not aligned",
    )  # fmt: skip
    driver = factories.make_step(
        run, ":driver", kind="driver", status="failed", started=began, seconds=60, attempts=False
    )
    factories.make_attempt(
        driver, status="failed", started=began, seconds=60, error_type="StepFailed", error_message="score:7 failed"
    )
    load = factories.make_step(run, "load_data", started=began + timedelta(seconds=1), seconds=9)
    _map(run, driver, load, n=12, failed={7}, began=began + timedelta(seconds=10))
    return run


def mapped(pipeline: Pipeline) -> Run:
    """Make a dynamic run that is in the middle of a map of sixty."""
    began = timezone.now() - timedelta(seconds=70)
    run = factories.make_run(pipeline=pipeline, status="running", is_dynamic=True, started=began, actor_name="ben")
    driver = factories.make_step(run, ":driver", kind="driver", status="running", started=began)
    load = factories.make_step(run, "load_data", started=began + timedelta(seconds=1), seconds=9)
    _map(run, driver, load, n=60, failed={20}, began=began + timedelta(seconds=10), n_done=44)
    return run


def question(pipeline: Pipeline) -> Wait:
    """Make a dynamic run that waits for an answer with two fields."""
    began = timezone.now() - timedelta(minutes=3)
    run = factories.make_run(pipeline=pipeline, status="paused", is_dynamic=True, started=began, actor_name="ana")
    driver = factories.make_step(run, ":driver", status="retrying", kind="driver", started=began, attempts=False)
    factories.make_attempt(
        driver,
        status="interrupted",
        status_reason=PARKED_REASON,
        started=began,
        seconds=130,
        log="INFO asked, and waits\n",
    )
    train = factories.make_step(run, "train_model", started=began + timedelta(seconds=2), seconds=90)
    factories.make_step(run, "evaluate", started=began + timedelta(seconds=95), seconds=30, after=train)
    call = DriverCall.objects.create(driver=driver, ordinal=1, kind="wait", name="approve", input_hash="0" * 64)
    fields = {
        "rate": {"type": "number", "minimum": 0, "maximum": 1, "description": "Share of all traffic."},
        "zone": {"enum": ["eu", "us"]},
    }
    schema = {"type": "object", "properties": fields, "required": ["rate", "zone"]}
    text = "Accuracy is 0.93, 0.91 before. Send the new model to production?"
    return Wait.objects.create(run=run, call=call, name="approve", question=text, schema=schema)


def artifacts(run: Run) -> dict[str, str]:
    """Give a run results: rows, a model made of them, and a report to look at; return their ids."""
    load, train, report = (run.steps.get(name=name) for name in ("load_data", "train_model", "report"))
    rows = factories.make_artifact(
        load, files={"head.csv": "id,label\n1,a\n2,b\n"}, metadata={"rows": 14211, "columns": 24}, size=1_913_000
    )
    model = factories.make_artifact(
        train, type="sklearn.RandomForestClassifier", metadata={"accuracy": 0.913}, size=88_000, tags=["best"]
    )
    page = "<!doctype html><h1>Accuracy 0.913</h1><p>0.91 before.</p>"
    shown = factories.make_artifact(report, type="str", files={"report.html": page}, size=900)
    for version, name, taker in ((rows, "rows", train), (model, "model", report)):
        StepArtifact.objects.create(
            step_run=taker, artifact_version=version, direction=StepArtifact.Direction.INPUT, name=name
        )
    return {"rows": str(rows.id), "model": str(model.id), "report": str(shown.id)}


def plan_of(pipeline: Pipeline, run: Run) -> None:
    """Let the pipeline's newest code know its steps, as the one of a run."""
    newest = pipeline.newest_snapshot
    steps = [step.plan for step in run.steps.order_by("ordinal")]
    plan = Plan(pipeline=pipeline.name, source=newest.compiled.source, steps=steps)
    newest.spec = {**newest.spec, "source_code": SOURCE, "plan": plan.model_dump(mode="json")}
    newest.save(update_fields=["spec"])


def _begin(pipeline: Pipeline, **fields: Any) -> Run:
    return factories.make_run(pipeline=pipeline, seconds=60, **fields)


def _steps(
    run: Run, at: datetime, factor: float, *, upto: int, rest: str = "", takes_clean: bool = False
) -> list[StepRun]:
    """Make the first steps of a run one after the other, and the others as ``rest`` where that is given.

    ``takes_clean``: the step ``clean`` takes the result of an earlier run, if there is one.
    """
    made: list[StepRun] = []
    earlier = StepRun.objects.filter(run__pipeline=run.pipeline, name="clean", status="completed").first()
    for index, (name, seconds) in enumerate(zip(STEPS, TOOK, strict=True)):
        before = made[-1] if made else None
        if name == "clean" and takes_clean and earlier:
            why = f"Taken from run #{earlier.run.number}: same code, parameters and inputs."
            step = factories.make_step(
                run, name, status="cached", started=at, after=before, origin_step=earlier, cache_reason=why
            )
        elif index < upto:
            seconds = round(seconds * factor)
            step = factories.make_step(
                run, name, started=at, seconds=seconds, after=before, cache_reason=_WHY_IT_RAN, attempts=False
            )
            log = TRAINING if name == "train_model" else f"INFO {name} took {seconds} s\n"
            factories.make_attempt(step, started=at, seconds=seconds, log=log, cpu_seconds=seconds * 0.8)
            at += timedelta(seconds=seconds)
        elif rest:
            step = factories.make_step(run, name, status=rest, after=before, status_reason="The run was cancelled.")
        else:
            break
        made.append(step)
    return made


def _map(
    run: Run, driver: StepRun, load: StepRun, *, n: int, failed: set[int], began: datetime, n_done: int | None = None
) -> None:
    call = DriverCall.objects.create(
        driver=driver, ordinal=1, kind="map", name="score", invocation_id="score", input_hash="0" * 64, count=n
    )
    n_done = n if n_done is None else n_done
    for index in range(n):
        is_over = index < n_done
        status = (
            "failed" if index in failed else "completed" if is_over else "running" if index < n_done + 4 else "pending"
        )
        started = began + timedelta(seconds=index * 0.8)
        step = factories.make_step(
            run, f"score:{index}", status=status, started=started, seconds=3, attempts=False, call=call, map_index=index
        )
        StepEdge.objects.create(upstream=load, downstream=step)
        if status != "pending":
            log = BROKEN if status == "failed" else f"scored part {index}\n"
            factories.make_attempt(step, status=status, started=started, seconds=3, log=log)
