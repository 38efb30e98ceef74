"""Claims, leases, retries, crashes, cancellation: what is stored, and what a second owner may not do."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.db.models import F
from django.utils import timezone

from stepwell.core.ids import new_id
from stepwell.core.plan import Retry, StepOptions
from stepwell.engine.ports import ErrorInfo, Outcome
from stepwell.execution import actions, driving, publish, sweep
from stepwell.execution.claims import LeaseLost, claim, renew
from stepwell.runs.models import Attempt, Run, StepRun
from tests.execution.make import make_node, make_run, queue

FAILED = Outcome(status="failed", reason="ValueError: no", error=ErrorInfo(type="ValueError", message="no"))
CRASHED = Outcome(status="crashed", reason="killed by signal 9")
DONE = Outcome(status="completed", result={"outputs": []})


def no_cache(**options):
    return StepOptions(enable_cache=False, **options)


def reload(row):
    return type(row).objects.get(id=row.id)


@pytest.mark.django_db
class TestClaims:
    def test_an_attempt_is_claimed_once(self):
        attempt = queue(make_run({"a": []}), "a")
        assert claim(attempt.id, owner_id=new_id()) is not None
        assert claim(attempt.id, owner_id=new_id()) is None

    def test_a_claim_starts_step_and_run(self):
        run = make_run({"a": []}, status="queued")
        claim(queue(run, "a").id, owner_id=new_id())
        assert reload(run).status == "running"
        assert reload(run).started_at is not None
        assert run.steps.get().status == "running"

    def test_the_step_of_a_cancelled_run_cannot_be_claimed(self):
        run = make_run({"a": []})
        attempt = queue(run, "a")
        actions.cancel_run(run=run, by="ana")
        assert claim(attempt.id, owner_id=new_id()) is None
        assert reload(run).status == "cancelled"
        assert reload(run).status_reason == "Cancelled by ana."

    def test_no_runner_takes_the_step_of_a_script(self):
        node = make_node("script")
        run = make_run({"a": []}, script_node_id=node.id)
        attempt = queue(run, "a")
        assert claim(attempt.id, owner_id=new_id()) is None
        assert claim(attempt.id, owner_id=new_id(), script=True) is None
        assert claim(attempt.id, owner_id=node.id, script=True) is not None

    def test_renewing_keeps_the_lease_until_somebody_else_owns_it(self):
        claimed = claim(queue(make_run({"a": []}), "a").id, owner_id=new_id())
        Attempt.objects.update(lease_until=1)
        assert renew(claimed, progress={"done": 1}, log_bytes=5, log_lines=1)
        attempt = Attempt.objects.get()
        assert attempt.lease_until > 1
        assert attempt.progress == {"done": 1}
        sweep.reap_lapsed()
        assert reload(attempt).status == "running"
        Attempt.objects.update(lease_until=1)
        sweep.reap_lapsed()
        assert not renew(claimed, progress=None, log_bytes=6, log_lines=1)


@pytest.mark.django_db(transaction=True)
def test_of_many_claims_at_once_one_wins():
    attempt = queue(make_run({"a": []}), "a")
    won, barrier = [], threading.Barrier(8)

    def race():
        barrier.wait()
        if claim(attempt.id, owner_id=new_id()):
            won.append(1)
        connections.close_all()

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1]
    connection.close()


@pytest.mark.django_db
class TestEnds:
    def test_a_failure_is_retried_after_its_wait(self):
        options = no_cache(retry=Retry(max_retries=2, delay=30, backoff=2))
        run = make_run({"a": []}, options=options)
        publish.publish(claim(queue(run, "a").id, owner_id=new_id()), FAILED)
        step = run.steps.get()
        assert (step.status, step.failures) == ("retrying", 1)
        assert sweep.start_due() == 0
        StepRun.objects.update(next_attempt_at=1)
        assert sweep.start_due() == 1
        assert list(Attempt.objects.values_list("number", "status")) == [(1, "failed"), (2, "queued")]

    def test_a_step_fails_when_its_retries_are_spent(self):
        run = make_run({"a": []}, options=no_cache(retry=Retry(max_retries=1)))
        publish.publish(claim(queue(run, "a").id, owner_id=new_id()), FAILED)
        second = Attempt.objects.get(status="queued")
        publish.publish(claim(second.id, owner_id=new_id()), FAILED)
        assert run.steps.get().status == "failed"
        assert reload(run).status == "failed"
        assert reload(run).status_reason == "a failed: ValueError: no"

    def test_an_error_that_cannot_be_retried_ends_the_step(self):
        run = make_run({"a": []}, options=no_cache(retry=Retry(max_retries=5)))
        error = ErrorInfo(type="SystemExit", message="1", retryable=False)
        publish.publish(
            claim(queue(run, "a").id, owner_id=new_id()), Outcome(status="failed", reason="exit", error=error)
        )
        assert run.steps.get().status == "failed"

    def test_crashes_have_a_budget_of_their_own(self):
        run = make_run({"a": []}, options=no_cache(retry=Retry(max_retries=5)))
        queue(run, "a")
        for _ in range(3):
            attempt = Attempt.objects.get(status="queued")
            publish.publish(claim(attempt.id, owner_id=new_id()), CRASHED)
        step = run.steps.get()
        assert (step.status, step.crashes, step.failures) == ("failed", 3, 0)
        assert "crash budget" in step.status_reason

    def test_an_interrupted_attempt_is_queued_again_and_not_charged(self):
        run = make_run({"a": []})
        publish.publish(claim(queue(run, "a").id, owner_id=new_id()), Outcome(status="interrupted", reason="stop"))
        step = run.steps.get()
        assert (step.status, step.failures, step.crashes) == ("queued", 0, 0)
        assert Attempt.objects.filter(status="queued").count() == 1

    def test_the_old_owner_can_publish_nothing(self):
        run = make_run({"a": []})
        claimed = claim(queue(run, "a").id, owner_id=new_id())
        Attempt.objects.update(lease_until=1)
        sweep.reap_lapsed()
        with pytest.raises(LeaseLost):
            publish.publish(claimed, DONE)
        assert run.steps.get().status == "queued"

    def test_the_calls_of_a_driver_somebody_else_owns_are_refused(self):
        run = make_run({"a": []})
        old = claim(queue(run, "a").id, owner_id=new_id())
        Attempt.objects.update(owner_id=new_id(), fence=F("fence") + 1)
        new = replace(old, attempt=Attempt.objects.get(), fence=Attempt.objects.get().fence)

        assert driving.note_loads(new, []) is None
        assert driving.note_loads(old, [])["t"] == "refused"

    def test_an_attempt_that_never_had_a_lease_is_taken_back_too(self):
        run = make_run({"a": []})
        claim(queue(run, "a").id, owner_id=new_id())
        Attempt.objects.update(lease_until=None)
        sweep.reap_lapsed()
        assert list(Attempt.objects.values_list("status", flat=True)) == ["crashed", "queued"]

    def test_cancel_while_running_waits_for_the_step_and_then_ends(self):
        run = make_run({"a": [], "b": ["a"]})
        owner = new_id()
        claimed = claim(queue(run, "a").id, owner_id=owner)
        actions.cancel_run(run=run, by="ana")
        assert run.status == "cancelling"
        assert sweep.stop_requests(owner) == {claimed.attempt.id: "Cancelled by ana."}
        publish.publish(claimed, Outcome(status="cancelled", reason="Cancelled by ana."))
        assert reload(run).status == "cancelled"
        assert set(run.steps.values_list("status", flat=True)) == {"cancelled"}

    def test_a_crash_while_cancelling_starts_nothing_again(self):
        run = make_run({"a": []})
        claimed = claim(queue(run, "a").id, owner_id=new_id())
        actions.cancel_run(run=run, by="ana")
        publish.publish(claimed, CRASHED)
        assert Attempt.objects.filter(status="queued").count() == 0
        assert reload(run).is_finished

    def test_a_finished_run_cannot_be_cancelled(self):
        run = make_run({"a": []})
        publish.publish(claim(queue(run, "a").id, owner_id=new_id()), DONE)
        with pytest.raises(actions.RunFinished, match="already completed"):
            actions.cancel_run(run=run, by="ana")
        assert reload(run).status == "completed"

    def test_a_run_that_does_not_stop_is_ended_by_force(self):
        run = make_run({"a": []})
        claimed = claim(queue(run, "a").id, owner_id=new_id())
        actions.cancel_run(run=run, by="ana")
        Run.objects.update(cancel_requested_at=timezone.now() - timedelta(seconds=61))
        sweep.force_cancelled()
        assert reload(run).status == "cancelled"
        with pytest.raises(LeaseLost):
            publish.publish(claimed, DONE)

    def test_the_run_of_a_script_that_is_gone_ends(self):
        node = make_node("script", stopped_at=timezone.now())
        run = make_run({"a": [], "b": ["a"]}, script_node_id=node.id)
        queue(run, "a")
        sweep.end_scripts_of_dead_nodes()
        assert reload(run).status == "failed"
        assert set(run.steps.values_list("status", flat=True)) == {"cancelled"}
