"""An instance as people have it: a bit of everything, for pictures of every page and for looking at each with axe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import OperationalError, transaction
from django.test import RequestFactory
from django.utils import timezone

from stepwell.accounts.links import make_invite, make_login_link
from stepwell.accounts.models import AuditEvent, User
from stepwell.accounts.sessions import list_sessions
from stepwell.accounts.tokens import make_token
from stepwell.alerts.actions import put_rule
from stepwell.alerts.models import Delivery
from stepwell.artifacts import model_actions
from stepwell.artifacts.models import ModelVersion
from stepwell.core.plan import Retry, StepOptions
from stepwell.core.status import RunStatus
from stepwell.core.timing import Timing
from stepwell.desk.failures import acknowledge
from stepwell.desk.models import Notice, Watch
from stepwell.desk.view_actions import mark_view, save_view
from stepwell.execution import bulk, moves, scheduling
from stepwell.pipelines.models import Pipeline
from stepwell.pipelines.schedules import pause
from stepwell.runs.models import Run
from stepwell.stacks.actions import add_component
from stepwell.vault.actions import put_secret, values_for_step
from stepwell.web import errors
from stepwell.web.step_panel import PARTS
from tests import factories
from tests.artifacts.test_model_actions import complete, naming, output, plan_run, version_of
from tests.e2e.dashboard import scene_runs

RUN_TABS = ("graph", "timeline", "logs", "artifacts", "config", "code", "events")
PIPELINES = ("train-churn", "nightly-report-of-sales", "embed-reviews", "sweep-rates", "release-churn")


@transaction.atomic
def make(*, person: str) -> dict[str, str]:
    """Make the scene for a person; return the address of every page, by a short name.

    Whoever adds a page adds it here: ``tests/web/test_every_page.py`` says so. The tests that look at every page, with
    axe, without scripts, on a phone, with markup in every text, all take this list.
    """
    user = User.objects.get(username=person)
    texts = ("Train the churn model on last month's customers.", "Numbers of the day, mailed at six.", "", "", "")
    pipelines = [
        factories.make_pipeline(name, docstring=text, steps=scene_runs.STEPS, registered_by=f"{person} (command line)")
        for name, text in zip(PIPELINES, texts, strict=True)
    ]
    train, nightly, _, sweep, release = pipelines
    past = [scene_runs.past(pipelines[index % 3], index, of=36) for index in range(36)]
    scene_runs.plan_of(train, past[0])
    failed = [scene_runs.failed(train, user, index) for index in range(4)]
    acknowledge(run=failed[0], note="The disk was full; cleaned up.", by=user)
    results = scene_runs.artifacts(past[-3])
    states = {
        "running": scene_runs.running(train),
        "queued": scene_runs.queued(nightly),
        "cancelling": scene_runs.cancelling(nightly),
        "retrying": scene_runs.retrying(nightly),
        "dynamic-failed": scene_runs.dynamic_failed(sweep),
        "mapped": scene_runs.mapped(sweep),
        "completed": past[-3],
        "cancelled": next(run for run in past if run.status == "cancelled"),
        "failed": failed[1],
    }
    wait = scene_runs.question(release)
    alike = compared_runs()
    return {
        **_lists(failed, alike, user),
        **_pipeline(train),
        **_admin(user, states["running"], train),
        **{f"run-{state}": f"/runs/{run.number}/" for state, run in states.items()},
        "run-waiting": f"/runs/{wait.run.number}/",
        **{f"run-{tab}": f"/runs/{failed[1].number}/{tab}/" for tab in RUN_TABS},
        **{f"step-{part}": f"/runs/{failed[1].number}/?step=evaluate&tab={part}" for part, _ in PARTS},
        "run-completed-artifacts": f"/runs/{past[-3].number}/artifacts/",
        "run-completed-data": f"/runs/{past[-3].number}/?step=train_model&tab=data",
        "run-mapped-graph": f"/runs/{states['mapped'].number}/graph/",
        "run-queued-graph": f"/runs/{states['queued'].number}/graph/",
        "log": f"/runs/{failed[1].number}/logs/evaluate/3/",
        "log-running": f"/runs/{states['running'].number}/logs/train_model/1/",
        "run-cancel": f"/runs/{states['running'].number}/cancellation/",
        "rerun": f"/runs/{failed[1].number}/rerun/?scope=failed",
        "rerun-steps": f"/runs/{failed[1].number}/rerun/?scope=steps&from=train_model",
        "artifacts": "/artifacts/",
        "artifact": f"/artifacts/{results['model']}/",
        "artifact-source": f"/artifacts/{results['rows']}/",
        "artifact-view": f"/artifacts/{results['report']}/view/report.html",
        "waits": "/waits/",
        "wait": f"/waits/{wait.id}/",
        "missing": "/runs/nowhere/",
    }


def empty_pages() -> dict[str, str]:
    """Return the lists as they are before anything is there."""
    lists = ("runs", "runs/unresolved", "views", "bulk", "inbox", "pipelines", "schedules", "artifacts", "models")
    more = ("waits", "runners", "find", "tokens", "secrets", "stack", "alerts", "people", "audit", "me", "runs/compare")
    return {"empty-home": "/"} | {f"empty-{name.replace('/', '-')}": f"/{name}/" for name in lists + more}


def outside() -> dict[str, str]:
    """Return the pages for people who have not signed in, by a short name."""
    user = factories.make_user()
    return {
        "login": "/login/",
        "login-link": f"/login/{make_login_link(user=user)}/",
        "login-join": f"/login/{make_invite(role='operator')}/",
        "login-gone": "/login/used-before/",
    }


def broken_pages() -> dict[str, str]:
    """Return what a person sees when the server breaks, and when the database is away."""
    request = RequestFactory().get("/")
    pages = {}
    for name, error in (("broken", ValueError()), ("database-away", OperationalError())):
        try:
            raise error
        except (ValueError, OperationalError):
            pages[name] = errors.server_error(request).content.decode()
    return pages


def compared_runs() -> list[Run]:
    """Make three runs alike but for seven things: what ``compare`` shows of them."""
    pipeline = factories.make_pipeline("compare-me")
    newer = factories.make_snapshot(pipeline)
    pipeline.snapshots.update(environment="numpy==2.0\npandas==2.2")
    source = newer.spec["source_code"].replace("...", "return 1")
    newer.spec, newer.code_hash, newer.environment = (
        {**newer.spec, "source_code": source},
        "beef" * 16,
        "numpy==2.1\npandas==2.2",
    )
    newer.save()
    runs = []
    for index in range(3):
        run = factories.make_run(
            pipeline=pipeline,
            snapshot=newer if index == 2 else pipeline.snapshots.get(number=1),
            parameters={"learning_rate": 0.02 if index == 1 else 0.01, "epochs": 10},
            took_seconds=60,
        )
        load = factories.make_step(run, "load", status="cached" if index == 2 else "completed", seconds=10)
        options = StepOptions(retry=Retry(max_retries=2 if index == 1 else 0))
        train = factories.make_step(run, "train", after=load, options=options, seconds=45 if index == 1 else 30)
        factories.make_artifact(train, "model", metadata={"accuracy": 0.93 if index == 2 else 0.91, "classes": 12})
        runs.append(run)
    return runs


def _lists(failed: list[Run], alike: list[Run], user: User) -> dict[str, str]:
    chosen = "&".join(f"run={run.number}" for run in alike)
    return {
        "home": "/",
        "runs": "/runs/",
        "runs-filtered": "/runs/?status=failed&status=running&tag=gpu&since=30d&cols=name.tags.steps.by.started.took",
        "runs-timeline": "/runs/?show=timeline",
        "runs-scatter": "/runs/?show=scatter",
        "runs-none": "/runs/?text=nothing-like-it",
        "unresolved": "/runs/unresolved/",
        "cause": f"/errors/{failed[1].fingerprint}/",
        "compare": f"/runs/compare/?{chosen}",
        "compare-all": f"/runs/compare/?{chosen}&show=all",
        "compare-choose": "/runs/compare/",
        "views": "/views/",
        "bulk-new": f"/bulk/new/?act=rerun_failed&run={failed[1].number}&run={failed[2].number}",
        "bulk-tag": f"/bulk/new/?act=tag&run={failed[1].number}&run={failed[2].number}",
        "bulk": f"/bulk/{_bulk(user, failed)}/",
        "bulks": "/bulk/",
        "inbox": "/inbox/",
        "pipelines": "/pipelines/",
        "runners": "/runners/",
        "find": "/find/?q=train",
        "keys": "/help/keys/",
        "me": "/me/",
    }


def _pipeline(pipeline: Pipeline) -> dict[str, str]:
    address = f"/pipelines/{pipeline.slug}/"
    return {
        "pipeline": address,
        "pipeline-durations": f"{address}durations/",
        "pipeline-code": f"{address}code/",
        "pipeline-graph": f"{address}graph/",
        "pipeline-schedules": f"{address}schedules/",
        "pipeline-schedules-none": "/pipelines/sweep-rates/schedules/",
        "pipeline-defaults": f"{address}defaults/?all=1",
        "pipeline-run": f"{address}run/",
    }


def _admin(user: User, running: Run, pipeline: Pipeline) -> dict[str, str]:
    """Return the pages of what people set up: schedules, models, secrets, stack, alerts, people."""
    _desk(user, running)
    timing = Timing(cron="30 2 * * *", zone="Europe/Berlin")
    schedule = scheduling.make_schedule(
        pipeline=pipeline, name=f"nightly of {user}", timing=timing, parameters={"epochs": 20}, by=user
    )
    resting = scheduling.make_schedule(
        pipeline=Pipeline.objects.get(name=PIPELINES[1]),
        name=f"weekly of {user}",
        timing=Timing(cron="0 6 * * 1"),
        parameters={},
        by=user,
    )
    pause(resting)
    put_secret(name="warehouse", values={"DB_USER": "etl-nightly", "DB_PASSWORD": "correct-horse-battery"}, by=user)
    loading = running.steps.get(invocation_id="load_data")
    values_for_step(
        names=["warehouse"], run_id=running.id, step_name="load_data", attempt_id=loading.attempts.first().id
    )
    make_token(user=user, name="nightly build", role="operator", expires_at=timezone.now() + timedelta(days=90))
    tracker = add_component(
        kind="experiment_tracker", flavor="mlflow", name="lab", config={"tracking_uri": "/data/mlflow"}, by=user
    )
    # An address that needs no look-up; nothing is sent, as no runner is there.
    rule = put_rule(
        kind="webhook", name="on call", url="https://1.1.1.1/stepwell", pipeline=pipeline, events={"failed"}, by=user
    )
    Delivery.objects.create(rule=rule, event="test", status="done", tries=1, answered=200)
    ben = factories.make_user(f"ben of {user}")
    token, _ = make_token(user=user, name="nightly", role="viewer", by=user)
    session = list_sessions(user)[0]
    version = _model(user)
    return {
        "system": "/system/",
        "schedules": "/schedules/",
        "schedule": f"/schedules/{schedule.id}/",
        "schedule-new": f"/schedules/new/?pipeline={pipeline.slug}",
        "schedule-choose": "/schedules/new/",
        "schedule-edit": f"/schedules/{schedule.id}/edit/",
        "schedule-backfill": f"/schedules/{schedule.id}/backfill/",
        "schedule-delete": f"/schedules/{schedule.id}/deletion/",
        "models": "/models/",
        "model": f"/models/{version.model.name}/",
        "model-version": f"/models/{version.model.name}/{version.name}/",
        "tokens": "/tokens/",
        "token-new": "/tokens/new/",
        "token-revoke": f"/tokens/{token.id}/revocation/",
        "token-replace": f"/tokens/{token.id}/rotation/",
        "secrets": "/secrets/",
        "secret-new": "/secrets/+/",
        "secret": "/secrets/warehouse/",
        "secret-delete": "/secrets/warehouse/delete/",
        "stack": "/stack/",
        "stack-new": "/stack/+/experiment_tracker/mlflow/",
        "stack-one": f"/stack/{tracker.id}/",
        "stack-delete": f"/stack/{tracker.id}/delete/",
        "alerts": "/alerts/",
        "alert-new": "/alerts/+/webhook/",
        "alert": f"/alerts/{rule.id}/",
        "alert-delete": f"/alerts/{rule.id}/delete/",
        "settings": "/settings/",
        "people": "/people/",
        "people-invite": "/people/invites/",
        "sessions": f"/people/{ben.id}/sessions/",
        "sessions-end": f"/people/{ben.id}/sessions/all/",
        "session-end": f"/people/{user.id}/sessions/{session.ref}/",
        "me-sessions": "/me/sessions/",
        "me-session": f"/me/sessions/{session.ref}/",
        "audit": "/audit/",
    }


def tell_watchers_at(*, url: str) -> None:
    put_rule(kind="webhook", name=f"for those who wait {url}", url=url, events={"watched"}, by=None)


def unresolved() -> int:
    return Run.objects.filter(is_unresolved=True).count()


def five_failures(*, rerun: int, acknowledged: int) -> str:
    """Make five runs fail alike, some rerun with success, some acknowledged; return the fingerprint."""
    user = factories.make_user()
    pipeline = factories.make_pipeline()
    failed = [scene_runs.failed(pipeline, user, index, fingerprint="five") for index in range(5)]
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


def _model(user: User) -> ModelVersion:
    """Make two versions of a model, the newer one on trial."""
    for _ in range(2):
        run = plan_run(a=naming(license="MIT", description="Who is about to leave."))
        complete(run, "a", output("weights", kind="model"))
        version = version_of(run, "a")
    model_actions.set_stage(version, "staging", by=user, reason="better on the last month")
    return version


def _bulk(user: User, failed: list[Run]) -> str:
    runs = Run.objects.filter(pk__in=[run.pk for run in failed[:3]])
    job = bulk.ask(act="acknowledge", runs=runs, reason="known: the disk of the old machine", actor=user)
    while bulk.work_off(limit=1):
        break
    return str(job.id)


def _desk(user: User, running: Run) -> None:
    view = save_view(user=user, name="Nightly failures", query="status=failed&since=30d", is_shared=True)
    mark_view(user=user, view=view, is_pinned=True)
    save_view(user=user, name="Mine", query=f"by={user.username}", is_shared=False)
    Notice.objects.create(user=user, status="completed", text="train-churn #30 completed", path="/runs/30/")
    Notice.objects.create(
        user=user, status="failed", text="embed-corpus #29 failed", path="/runs/29/", read_at=timezone.now()
    )
    Watch.objects.create(user=user, run=running)
