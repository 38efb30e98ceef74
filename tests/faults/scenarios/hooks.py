"""Hooks whose process or runner is killed, and hooks that misbehave."""

from __future__ import annotations

import signal

from stepwell.runs.models import HookCall
from tests.faults.scenarios import scenario
from tests.faults.stage import Stage, check

_HOOK_SECONDS = 8
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


@scenario("F46 F47", limit=60)
def hooks_misbehave(stage: Stage) -> int:
    """Hooks that raise, end their process, hang, fork and flood: no step fails or waits for them, each ends as told."""
    stage.runner(STEPWELL_HOOK_SECONDS=str(_HOOK_SECONDS), STEPWELL_STEP_SLOTS="1")
    run = stage.start("hooked_badly", seconds=0.1)
    stage.wait([run])
    at = {(line[0], line[2]): float(line[5]) for line in stage.ledger()}
    waited = at["begin", "after_hangs"] - at["hook", "hangs"]
    stage.figures["step after a hook that hangs"] = f"{waited:.1f} s"
    check(waited < _HOOK_SECONDS - 2, f"a step waited {waited:.1f} s for a hook before it")
    check(stage.status(run) == "completed", stage.status(run))
    left = HookCall.objects.filter(run=run, status=HookCall.Status.OPEN)
    stage.until(lambda: not left.exists(), "all hooks have ended", seconds=20)
    ends = dict(HookCall.objects.filter(run=run).values_list("step_run__invocation_id", "status"))
    wanted = {"raises": "failed", "leaves_at_once": "failed", "hangs": "failed", "forks_and_floods": "done"}
    check(ends == wanted, f"{ends}")
    return len(wanted)
