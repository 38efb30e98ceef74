"""Hooks are owed from the moment an attempt has ended, and told once."""

from __future__ import annotations

import pytest

from stepwell.core.ids import event_id, new_id
from stepwell.core.plan import Hooks, Retry, StepOptions
from stepwell.engine.pace import Pace
from stepwell.engine.ports import ErrorInfo, Outcome
from stepwell.execution import actions, hookcalls, publish, sweep
from stepwell.execution.claims import claim
from stepwell.execution.hosts import HostPool
from stepwell.execution.latehooks import Redelivery
from stepwell.pipelines.models import Snapshot
from stepwell.runs.models import Attempt, HookCall, RunEvent
from tests.execution.make import make_node, make_run, queue

pytestmark = pytest.mark.django_db

HOOKS = Hooks(on_start="a.start", on_end="a.end", on_success="a.success", on_failure="a.failure")
FAILED = Outcome(status="failed", reason="ValueError: no", error=ErrorInfo(type="ValueError", message="no"))
CRASHED = Outcome(status="crashed", reason="killed by signal 9")
DONE = Outcome(status="completed", result={"outputs": []})


def started(*, hooks=HOOKS, owner_id=None, retries=0, **options):
    retry = Retry(max_retries=retries)
    run = make_run({"a": []}, options=StepOptions(enable_cache=False, hooks=hooks, retry=retry, **options))
    return claim(queue(run, "a").id, owner_id=owner_id or new_id())


def owed(**wanted):
    return list(HookCall.objects.filter(**wanted).order_by("ordinal").values_list("hook", flat=True))


@pytest.mark.parametrize(
    ("outcome", "names"),
    [
        (DONE, ["on_end", "on_success"]),
        (FAILED, ["on_end", "on_failure"]),
        (Outcome(status="timed_out", reason="too slow"), ["on_failure"]),
        (Outcome(status="interrupted"), []),
    ],
)
def test_what_is_owed_depends_on_how_the_attempt_ended(outcome, names):
    publish.publish(started(), outcome)
    assert owed(status="open") == names


def test_a_step_that_is_tried_again_owes_the_end_of_the_attempt_only():
    claimed = started(retries=1)
    publish.publish(claimed, FAILED)
    assert owed() == ["on_end"]
    assert HookCall.objects.get().id == event_id(claimed.attempt.id, "on_end")


def test_nothing_is_owed_without_hooks_or_when_they_are_switched_off():
    publish.publish(started(hooks=Hooks(on_start="a.start")), DONE)
    publish.publish(started(hooks_enabled=False), DONE)
    assert owed() == []


def test_a_hook_that_was_told_twice_ends_once():
    claimed = started()
    publish.publish(claimed, DONE)
    hookcalls.told(claimed, {"hook": "on_success", "ok": True})
    hookcalls.told(claimed, {"hook": "on_success", "ok": False, "error": "late"})
    call = HookCall.objects.get(hook="on_success")
    assert (call.status, call.error) == ("done", "")
    assert call.id == event_id(claimed.step.id, "on_success")


def test_nobody_takes_a_hook_whose_process_still_has_time():
    publish.publish(started(owner_id=make_node().id), DONE)
    redeliver()
    assert owed(status="open", tries=1) == ["on_end", "on_success"]


def test_the_failure_hook_of_a_step_whose_runner_died_is_owed_and_taken():
    node = make_node()
    claimed = started(owner_id=node.id)
    for _ in range(3):
        Attempt.objects.filter(status="running").update(lease_until=1)
        sweep.reap_lapsed()
        if ready := Attempt.objects.filter(status="queued").first():
            claim(ready.id, owner_id=node.id)
    claimed.step.refresh_from_db()
    assert claimed.step.status == "failed"
    assert owed(status="open", tries=0) == ["on_failure"]


def test_a_hook_whose_code_nobody_has_is_dead_and_says_why():
    publish.publish(started(hooks=Hooks(on_success="a.success")), DONE)
    Snapshot.objects.update(code_hash="")
    HookCall.objects.update(due_at=1)
    redeliver()
    call = HookCall.objects.get()
    assert call.status == "dead"
    assert "its code was not kept" in call.error
    (event,) = RunEvent.objects.filter(kind="hook")
    assert (event.payload["ok"], event.payload["event_id"]) == (False, str(call.id))


def test_a_hook_that_took_its_runner_along_three_times_is_given_up():
    publish.publish(started(hooks=Hooks(on_success="a.success")), DONE)
    HookCall.objects.update(due_at=1, tries=hookcalls.MOST_TRIES)
    redeliver()
    assert HookCall.objects.get().status == "dead"


def test_a_hook_that_cannot_be_found_any_more_is_dead_and_the_others_are_not_held_up():
    for _ in range(2):
        publish.publish(started(hooks=Hooks(on_success="a.success")), DONE)
    HookCall.objects.update(due_at=1)
    # The archive the snapshot names is in no data folder.
    redeliver()
    assert {call.status for call in HookCall.objects.all()} == {"dead"}
    assert "code of this run is gone" in HookCall.objects.first().error


def test_of_two_who_take_a_hook_one_has_it():
    publish.publish(started(hooks=Hooks(on_success="a.success")), DONE)
    one, other = HookCall.objects.get(), HookCall.objects.get()
    assert one.take(owner_id=new_id(), seconds=30)
    assert not other.take(owner_id=new_id(), seconds=30)
    assert not other.end("done")
    assert one.end("done")


def test_hooks_go_with_their_run():
    claimed = started()
    publish.publish(claimed, DONE)
    claimed.step.run.delete()
    assert owed() == []


def test_a_failure_while_the_run_is_being_cancelled_owes_its_hook():
    claimed = started(retries=3)
    actions.cancel_run(run=claimed.step.run, by="ana")
    publish.publish(claimed, FAILED)
    assert owed() == ["on_end", "on_failure"]


def redeliver():
    hosts = HostPool()
    try:
        Redelivery(node_id=make_node().id, hosts=hosts, pace=Pace(beat=0.1, lease=5, grace=1, hook=1)).round()
    finally:
        hosts.close()
