"""What steps take of a runner: slots in turn, GPUs by label, and what a step that no runner can take says."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from stepwell.core.plan import StepOptions
from stepwell.errors import UsageError
from stepwell.execution import moves, nodes, room, worker
from stepwell.execution.room import Need, Room
from stepwell.execution.watching import StopRequests
from stepwell.kit.models import DbNow
from stepwell.runs.models import RunEvent, RunnerNode, StepRun
from tests.execution.make import make_node, make_run, queue


def never():
    return False


def enter_later(place, need, entered):
    """Enter in a thread; ``entered`` gets the need once it is in."""

    def work():
        place.enter(need, unless=never)
        entered.append(need)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("options", "need"),
    [
        ({}, Need()),
        ({"settings": {"resources": {"memory": "1GB"}}}, Need()),
        ({"settings": {"resources": {"cpu_count": 0.5}}}, Need()),
        ({"settings": {"resources": {"cpu_count": 1.5, "gpu_count": 2}}}, Need(slots=2, gpus=2)),
        ({"settings": {"resources": {"cpu_count": 8, "gpu_count": 2}}, "step_operator": "ray"}, Need()),
    ],
)
def test_a_step_needs_what_its_resources_say_unless_an_operator_runs_it(options, need):
    assert room.need_of_options(options) == need


def test_a_step_takes_as_many_slots_as_it_asks_for_and_is_not_passed_by():
    place, entered = Room(slots=lambda: 3, gpus=0), []
    first = place.enter(Need(slots=2), unless=never)
    large = enter_later(place, Need(slots=3), entered)
    until(lambda: len(place._line) == 1)
    small = enter_later(place, Need(), entered)
    until(lambda: len(place._line) == 2)
    # One slot is free, and still the small one waits for its turn.
    assert entered == []

    place.leave(first)
    large.join(5)
    assert entered == [Need(slots=3)]
    place.leave(Need(slots=3))
    small.join(5)
    assert entered == [Need(slots=3), Need()]


def test_more_slots_than_there_are_means_all_of_them():
    place = Room(slots=lambda: 2, gpus=0)
    assert place.enter(Need(slots=8), unless=never) == Need(slots=2)
    assert "asks for 8 slots and this runner has 2" in room.remarks(Need(slots=8), slots=2)[0]


def test_a_runner_that_stops_lets_nobody_wait():
    place = Room(slots=lambda: 1, gpus=1)
    place.enter(Need(), unless=never)
    assert place.enter(Need(gpus=1), unless=lambda: True) is None
    assert place.enter(Need(gpus=2), unless=never) is None
    assert place._used_gpus == 0
    assert place._crashes == [0]


def test_busy_gpus_are_not_waited_for():
    place = Room(slots=lambda: 4, gpus=2)
    taken = place.enter(Need(gpus=2), unless=never)
    assert place.enter(Need(gpus=1), unless=never) is None
    place.leave(taken)
    assert place.enter(Need(gpus=1), unless=never) == Need(gpus=1)


def test_a_step_with_no_crash_left_to_spend_keeps_apart_from_others_that_crashed():
    place = Room(slots=lambda: 4, gpus=0)
    once = place.enter(Need(crashes=1), unless=never)
    assert place.enter(Need(), unless=never)
    assert place.enter(Need(crashes=1), unless=never)
    assert place.enter(Need(crashes=2), unless=never) is None
    place.leave(once)
    place.leave(once)

    assert place.enter(Need(crashes=2), unless=never)
    assert place.enter(Need(crashes=1), unless=never) is None
    assert place.enter(Need(crashes=2), unless=never) is None
    assert place.enter(Need(), unless=never)


@pytest.mark.parametrize("label", [{"gpu": "two"}, {"gpu": "-1"}, {"": "x"}, {"a b": "x"}])
def test_labels_that_mean_nothing_are_refused(label):
    with pytest.raises(UsageError, match="--label"):
        room.read_labels(label)


class TestWaiting:
    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def attempt(self):
        resources = {"resources": {"gpu_count": 2}}
        run = make_run({"train": []}, options=StepOptions(enable_cache=False, settings=resources))
        return queue(run, "train")

    @pytest.fixture
    def without_gpu(self, monkeypatch):
        rung = []
        monkeypatch.setattr(worker, "ring", rung.append)
        hosts = SimpleNamespace()
        made = worker.Worker(
            node_id=make_node().id,
            hosts=hosts,
            stops=StopRequests(),
            place=Room(slots=lambda: 2, gpus=1),
            hand_over=lambda claimed: None,
        )
        made.rung = rung
        return made

    def test_the_need_of_a_step_says_how_often_it_crashed(self, attempt):
        StepRun.objects.update(crashes=2)

        assert room.need_of(attempt.id) == Need(gpus=2, crashes=2)

    def test_a_step_that_no_runner_can_take_says_why_it_waits_once(self, attempt, without_gpu):
        without_gpu.take(attempt.id)
        without_gpu.take(attempt.id)

        step = type(attempt.step_run).objects.get(id=attempt.step_run_id)
        assert step.status == "queued"
        assert step.status_reason == "Waits for a runner with 2 GPUs. Start one with: stepwell runner --label gpu=2"
        told = RunEvent.objects.filter(kind="step.status", payload__reason=step.status_reason)
        assert told.count() == 1
        assert without_gpu.rung == []

    def test_it_is_passed_on_while_another_runner_can_take_it(self, attempt, without_gpu):
        other = nodes.register(RunnerNode.Kind.RUNNER, slots=1, labels={"gpu": "2"})
        without_gpu.take(attempt.id)
        assert without_gpu.rung == [attempt.id]

        RunnerNode.objects.filter(id=other.id).update(seen_at=DbNow() - 3600)
        without_gpu.take(attempt.id)
        assert without_gpu.rung == [attempt.id]

    def test_the_reason_is_gone_once_it_runs(self, attempt, without_gpu):
        without_gpu.take(attempt.id)
        step = type(attempt.step_run).objects.get(id=attempt.step_run_id)
        assert moves.move_step(step, "running")
        assert step.status_reason == ""
