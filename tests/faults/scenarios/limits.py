"""Steps and pipelines that want more than there is: processes, descriptors, disk, memory of the runner, places."""

from __future__ import annotations

import tempfile
from pathlib import Path

from stepwell.runs.models import Attempt, Run
from tests.faults.scenarios import scenario
from tests.faults.stage import PATIENCE, STEADY, Process, Stage, check

_GROWN_MB = 90


def peak_mb(process: Process) -> float:
    """Return the most memory a process ever had."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@scenario("F34")
def fork_bomb(stage: Stage) -> int:
    """A step forks 300 processes where 100 are allowed: it fails and says so, and nothing else does."""
    runner = stage.runner(STEPWELL_STEP_PROCESSES="100", **STEADY)
    stage.watch_web()
    run = stage.start("bombing", processes=300)
    stage.until_noted("begin")
    other = stage.start("small", seconds=0.5)
    stage.wait(seconds=20)
    attempt = stage.attempts(run, "bomb")[0]
    told = f"{attempt.status} {attempt.error_type} {attempt.status_reason}"
    check((attempt.status, attempt.error_type) == ("failed", "TooManyProcesses"), told)
    took = (attempt.ended_at - attempt.started_at).total_seconds()
    stage.figures["ended after"] = f"{took:.1f} s"
    check(took < PATIENCE * 5, f"ended after {took:.1f} s")
    check(stage.status(other) == "completed", f"beside it: {stage.status(other)}")
    check(runner.is_alive, "the runner ended")
    return 300


@scenario("F35")
def used_up(stage: Stage) -> int:
    """Steps use up descriptors, leave temporary files and abort: each ends as it is, no file and no core is left."""
    runner = stage.runner(**STEADY)
    runs = {what: stage.start("using_up", what=what) for what in ("descriptors", "core")}
    good = stage.start("small", seconds=0.1)
    stage.wait(seconds=30)
    first = {what: stage.attempts(run, "uses_up")[0] for what, run in runs.items()}
    check("OSError" in first["descriptors"].error_type, first["descriptors"].status_reason)
    check("SIGABRT" in first["core"].status_reason, first["core"].status_reason)
    check((stage.status(good), runner.is_alive) == ("completed", True), "others are not well")
    temps = Path(tempfile.gettempdir())
    stage.until(lambda: not [*temps.rglob("left-*")], "temporary files are gone", seconds=5)
    check(not [*stage.folder.rglob("core*")], "there is a core file")
    return 2


@scenario("F30")
def runner_fed(stage: Stage) -> int:
    """Steps send their runner 400 MB, an error of 50 MB, and what kills who unpickles it: it lives and stays small."""
    runner = stage.runner(**STEADY)
    stage.wait([stage.start("small", seconds=0.0)])
    before = peak_mb(runner)
    runs = {how: stage.start("feeding", how=how) for how in ("frame", "error", "trap")}
    stage.wait(seconds=60)
    ends = {how: [attempt.status for attempt in stage.attempts(run, "feeds")] for how, run in runs.items()}
    check(set(ends["frame"]) == {"crashed"}, f"{ends}")
    check((ends["error"], ends["trap"]) == (["failed"], ["failed"]), f"{ends}")
    check(runner.is_alive, "the runner ended")
    grown = peak_mb(runner) - before
    stage.figures["runner grew"] = f"{grown:.0f} MB"
    check(grown < _GROWN_MB, f"the runner grew by {grown:.0f} MB")
    return 3


@scenario("F53", limit=150)
def wide_and_deep(stage: Stage) -> int:
    """A map of 1000 steps, a chain of 50, and pipelines that call themselves: bounded memory, a clear end."""
    runner = stage.runner(STEPWELL_RUN_DEPTH="4", STEPWELL_RUN_STEPS="1000", **STEADY)
    wider, deeper = stage.start("wide", n=1001), stage.start("calls_itself")
    stage.wait(seconds=40)
    stage.accepted |= set(Run.objects.values_list("id", flat=True))
    check((stage.status(wider), stage.status(deeper)) == ("failed", "failed"), "there is no end")
    said = " ".join(Attempt.objects.exclude(error_message="").values_list("error_message", flat=True))
    check("at most 1,000" in said and "calls one more" in said, said[:500])
    check(Run.objects.count() < 10, f"{Run.objects.count()} runs were made")
    before = peak_mb(runner)
    runs = [stage.start("wide", n=1000), stage.start("long", n=50)]
    stage.wait(runs, seconds=120)
    check(all(stage.status(run) == "completed" for run in runs), f"{[stage.status(run) for run in runs]}")
    took = [(run.ended_at - run.started_at).total_seconds() for run in Run.objects.filter(id__in=[r.id for r in runs])]
    stage.figures["seconds"] = " and ".join(f"{seconds:.1f}" for seconds in sorted(took))
    grown = peak_mb(runner) - before
    stage.figures["runner grew"] = f"{grown:.0f} MB"
    check(grown < _GROWN_MB, f"the runner grew by {grown:.0f} MB")
    return 1050


@scenario("F58")
def places_kept(stage: Stage) -> int:
    """Runners die with steps of which two may run at once: never three, and the dead keep no place."""
    for _ in range(2):
        run = stage.start("two_at_once", seconds=0.6)
        made = stage.runner()
        stage.until_noted_of("begin", run)
        made.kill()
        stage.runner()
        stage.wait([run], seconds=40)
        check(stage.status(run) == "completed", f"a place was kept: {stage.status(run)}")
        attempts = Attempt.objects.filter(step_run__run=run, step_run__name="narrow").exclude(started_at=None)
        moments = [(one.started_at, 1) for one in attempts] + [(one.ended_at, -1) for one in attempts]
        together = most = 0
        for _, change in sorted(moments):
            together += change
            most = max(most, together)
        check(most <= 2, f"{most} ran at once")
        stage.processes[-1].kill()
    return 2
