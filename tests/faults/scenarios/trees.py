"""Steps that leave processes behind, do not listen, hold the interpreter, eat memory, or just work hard."""

from __future__ import annotations

import signal
import time

from tests.faults.scenarios import scenario
from tests.faults.stage import PATIENCE, STEADY, Stage, check


@scenario("F28", quick=True)
def left_behind(stage: Stage) -> int:
    """A step ends and leaves children: own sessions, a double fork, a clean environment, our pipe held: all end."""
    runner = stage.runner(**STEADY)
    run = stage.start("tree", seconds=0.3)
    stage.until_noted("child", 4)
    began = time.monotonic()
    stage.wait()
    check(stage.status(run) == "completed", stage.status(run))
    check(time.monotonic() - began < PATIENCE * 8, "the end waited for who held the pipe")
    check(runner.is_alive, "the runner ended")
    return 4


@scenario("F28 F44 F43")
def deaf_step_cancelled(stage: Stage) -> None:
    """A run whose step ignores SIGTERM and has children is cancelled: all end within the grace."""
    stage.runner()
    run = stage.start("tree", seconds=60.0, deaf=True)
    stage.until_noted("ready")
    began = time.monotonic()
    stage.cancel(run)
    stage.wait(seconds=15)
    stage.figures["cancelled after"] = f"{time.monotonic() - began:.1f} s"
    check(stage.status(run) == "cancelled", stage.status(run))


@scenario("F02 F03 F28")
def runner_killed_with_tree(stage: Stage) -> None:
    """kill -9 of a runner whose step has children in sessions of their own: none outlives it by 15 s."""
    runner = stage.runner()
    run = stage.start("tree", seconds=60.0, deaf=True)
    stage.until_noted("ready")
    runner.kill()
    began = time.monotonic()
    stage.until(lambda: not _alive(stage), "the step and its children are gone", seconds=15)
    stage.figures["gone after"] = f"{time.monotonic() - began:.1f} s"
    stage.cancel(run)
    stage.runner()
    stage.wait()


@scenario("F03")
def tree_killed_at_once(stage: Stage) -> None:
    """kill -9 of runner and step host together: what the step left elsewhere ends when the next runner starts."""
    runner = stage.runner()
    run = stage.start("tree", seconds=60.0, deaf=True, hidden=False)
    stage.until_noted("ready")
    host = runner.below()[0]
    runner.send(signal.SIGKILL)
    host.kill()
    runner.kill()
    stage.cancel(run)
    stage.runner()
    stage.wait()


def _alive(stage: Stage) -> dict[int, str]:
    from tests.faults import oracle

    return oracle.left_by(set(), stage.begun("begin", "child"))


@scenario("F27")
def native_code_timed_out(stage: Stage) -> None:
    """A step in C code that holds the interpreter is stopped at its time limit, and beats all the time."""
    stage.runner()
    run = stage.start("native", options={"holds_gil": {"timeout": 3}}, seconds=60)
    stage.until_noted("ready")
    time.sleep(1.5)
    check(len(stage.attempts(run, "holds_gil")) == 1, "called lost while it worked")
    stage.wait(seconds=20)
    statuses = [attempt.status for attempt in stage.attempts(run, "holds_gil")]
    check(statuses == ["timed_out"], f"{statuses}")
    attempt = stage.attempts(run, "holds_gil")[0]
    took = (attempt.ended_at - attempt.started_at).total_seconds()
    stage.figures["stopped after"] = f"{took:.1f} s of 3 s"
    check(took < PATIENCE * (3 + 2 + 3), f"stopped after {took:.1f} s")


@scenario("F27")
def busy_steps(stage: Stage) -> int:
    """Steps that only compute, more than there are processors, for longer than the lease: none is called lost."""
    stage.runner(STEPWELL_LEASE_SECONDS="6")
    runs = stage.start_many(4, "counting", seconds=9.0)
    stage.wait(seconds=60)
    check(all(stage.status(run) == "completed" for run in runs), "not all completed")
    check(not stage.charges(), stage.charges())
    return 4


@scenario("F29")
def memory_limit(stage: Stage) -> int:
    """A step takes more memory than it may, in Python and in C code: it fails, says so, and the runner goes on."""
    runner = stage.runner()
    stage.watch_web()
    python, native = stage.start("eating"), stage.start("eating_native")
    stage.wait(seconds=40)
    error = stage.attempts(python, "hungry")[0]
    check(stage.status(python) == "failed" and error.error_type == "MemoryError", f"{error.error_type}")
    check(stage.status(native) == "failed", stage.status(native))
    check(runner.is_alive, "the runner ended")
    return 2


@scenario("F32")
def log_flood(stage: Stage) -> None:
    """A step prints 80 MB: the log keeps the first and the last, counts the rest, and the runner stays small."""
    import psutil

    runner = stage.runner()
    stage.watch_web()
    before = psutil.Process(runner.pid).memory_info().rss
    run = stage.start("flooding", megabytes=80)
    stage.wait(seconds=60)
    attempt = stage.attempts(run, "flood")[0]
    stage.until(lambda: stage.attempts(run, "flood")[0].log_sealed, "the log is sealed")
    grown = (psutil.Process(runner.pid).memory_info().rss - before) / 2**20
    stored = sum(path.stat().st_size for path in (stage.home / "logs" / str(run.id)).glob(f"{attempt.id}*")) / 2**20
    stage.figures.update({"stored": f"{stored:.0f} MB", "runner grew": f"{grown:.0f} MB"})
    check(stage.status(run) == "completed", stage.status(run))
    check(stored < 66, f"{stored:.0f} MB stored")
    check(grown < 60, f"the runner grew by {grown:.0f} MB")
