"""Hooks whose process or runner is killed, and hooks that misbehave."""

from __future__ import annotations

import signal
from itertools import pairwise

from stepwell.runs.models import Attempt, HookCall
from tests.faults.scenarios import scenario
from tests.faults.stage import PATIENCE, Stage, check

_HOOK_SECONDS = 8
#: by how much later the next step may begin when the one before it has hooks, whatever they do
_LATER_SECONDS = 0.1
_BAD = {"raises": "failed", "leaves_at_once": "failed", "hangs": "failed", "forks_and_floods": "done"}
_POINTS = ("before_hook", "mid_hook", "after_hook")


@scenario("F48")
def hooks_lost(stage: Stage) -> int:
    """kill -9 of a runner with all below it before, in and after a hook: the next runner runs it, under its id."""
    for point in _POINTS:
        run = stage.start("hooked")
        made = stage.runner(failpoint=f"{point}:kill9tree@1")
        stage.until(lambda: not made.is_alive, f"it is killed {point}")  # noqa: B023
        stage.runner()
        stage.wait([run])
        check(stage.status(run) == "completed", f"{point}: {stage.status(run)}")
        left = HookCall.objects.filter(run=run, status=HookCall.Status.OPEN)
        stage.until(lambda: not left.exists(), f"{point}: the hook runs again", seconds=15)  # noqa: B023
        stage.processes[-1].send(signal.SIGTERM)
        stage.processes[-1].popen.wait(20)
    return len(_POINTS)


@scenario("F46 F47", alone=True, limit=60)
def hooks_misbehave(stage: Stage) -> int:
    """Hooks that raise, end their process, hang, fork and flood: no step fails or waits for them, each ends as told."""
    stage.runner(STEPWELL_HOOK_SECONDS=str(_HOOK_SECONDS), STEPWELL_STEP_SLOTS="1")
    run = stage.start("hooked_badly", seconds=0.1)
    stage.wait([run])
    # One slot: what begins next is what waited for the end of the step before.
    attempts = list(Attempt.objects.filter(step_run__run=run).order_by("started_at"))
    waited: dict[str, list[float]] = {"unhappy": [], "work": []}
    for before, after in pairwise(attempts):
        if before.step_run.name in waited:
            waited[before.step_run.name].append((after.started_at - before.ended_at).total_seconds())
    stage.figures["next step, with a hook before it"] = _told(waited["unhappy"])
    stage.figures["without"] = _told(waited["work"])
    check(len(waited["unhappy"]) == len(_BAD), f"{len(waited['unhappy'])} steps came after one with a hook")
    later = max(waited["unhappy"]) - max(waited["work"])
    check(later < PATIENCE * _LATER_SECONDS, f"a step waited {later:.2f} s for the hook of another")
    check(stage.status(run) == "completed", stage.status(run))
    left = HookCall.objects.filter(run=run, status=HookCall.Status.OPEN)
    stage.until(lambda: not left.exists(), "all hooks have ended", seconds=20)
    ends = dict(HookCall.objects.filter(run=run).values_list("step_run__invocation_id", "status"))
    check(ends == _BAD, f"{ends}")
    return len(_BAD)


def _told(seconds: list[float]) -> str:
    return "/".join(f"{one * 1000:.0f}" for one in seconds) + " ms"
