"""One scenario's own installation: a store, runners and a web process that may be killed, and what they were asked."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psutil
from django.db import DatabaseError, close_old_connections, connection

from stepwell.core.plan import Overrides
from stepwell.core.status import TERMINAL_RUN, Trigger
from stepwell.execution import actions
from stepwell.kit import failing
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Attempt, Run, RunEvent, RunnerNode, StepRun
from tests.faults import oracle
from tests.faults.door import Visitor
from tests.faults.stores import Postgres, Redis

Found = TypeVar("Found")

#: the pace of reliability.md, a little slower: eight cores' worth of work may share two
PACE = {
    "STEPWELL_HEARTBEAT_SECONDS": "0.3",
    "STEPWELL_LEASE_SECONDS": "3",
    "STEPWELL_SWEEP_SECONDS": "0.3",
    "STEPWELL_GRACE_SECONDS": "1",
}
#: how much slower than on a quiet machine things may be: by as much as others keep it busy, or are known to
PATIENCE = min(4.0, max(1.0, float(os.environ.get("FAULTS_PATIENCE", 1)), os.getloadavg()[0] / (os.cpu_count() or 1)))
#: for what must not be charged because this machine is slow
STEADY = {"STEPWELL_LEASE_SECONDS": "15"}
#: the program has a mistake in it: the first thing that is wrong is enough
HURRY = bool(os.environ.get("FAULTS_HURRY"))
#: after so long without a word of any run, a program with a mistake stands still
_STILL_SECONDS = 20
LEASE, SWEEP = float(PACE["STEPWELL_LEASE_SECONDS"]), float(PACE["STEPWELL_SWEEP_SECONDS"])


class Process:
    """One of our processes, ended by its id."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self.popen = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        self.pid = self.popen.pid

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def send(self, number: int) -> None:
        if self.is_alive:
            self.popen.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.popen.wait(10)

    def exit_code(self, seconds: float) -> int | None:
        """Return the exit code; None when it has not ended after ``seconds`` of a quiet machine."""
        with suppress(subprocess.TimeoutExpired):
            return self.popen.wait(seconds * PATIENCE)
        return None

    def below(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Stage:
    """``accepted`` are the runs we were told are stored; each has to come to an end."""

    def __init__(self, folder: Path, *, kind: str, postgres: Postgres | None, redis: Redis | None) -> None:
        self.folder, self.kind, self.postgres, self.redis = folder, kind, postgres, redis
        self.home = Path(os.environ["STEPWELL_HOME"])
        self.accepted: set[UUID] = set()
        self.secret = ""
        self.is_hurried = HURRY
        #: free remarks for the table
        self.figures: dict[str, Any] = {}
        self.processes: list[Process] = []
        self.visitor: Visitor | None = None
        self._pipelines: dict[str, Pipeline] = {}
        self._cleanups: list[Callable[[], object]] = []
        (folder / "counts").mkdir(exist_ok=True)
        self._ledger = folder / "ledger"
        self._ledger.touch()

    def environment(self, *, failpoint: str = "", **more: str) -> dict[str, str]:
        points = {"STEPWELL_FAILPOINT": failpoint, "STEPWELL_FAILPOINT_COUNTS": str(self.folder / "counts")}
        ours = {"STEPWELL_STEP_LEDGER": str(self._ledger), "PYTHONUNBUFFERED": "1", **(points if failpoint else {})}
        return {**os.environ, **PACE, **ours, **more}

    def runner(self, *, failpoint: str = "", host: str = "", ready: bool = True, **more: str) -> Process:
        """Start a runner, as on a machine called ``host``, and wait until it takes steps."""
        points = ",".join(filter(None, [failpoint, f"host:is={host}" if host else ""]))
        made = self.process("runner", failpoint=points, **more)
        if ready:
            self.until(lambda: "is ready with" in made.said()[-4000:] or not made.is_alive, "a runner is ready")
        return made

    def watch_web(self, **more: str) -> Visitor:
        """Start a web process and have somebody look at it until the end: I11 is asked then."""
        self.visitor = Visitor(self, **more)
        return self.visitor

    def process(self, *words: str, failpoint: str = "", **more: str) -> Process:
        command = [sys.executable, "-m", "stepwell", *words]
        log = self.folder / f"{words[0]}-{len(self.processes)}.log"
        made = Process(command, self.environment(failpoint=failpoint, **more), log)
        self.processes.append(made)
        return made

    def start(self, pipeline: str, *, options: dict[str, Any] | None = None, **parameters: Any) -> Run:
        """Have a run stored, with ``options`` by step changed. One that raises was not accepted."""
        if pipeline not in self._pipelines:
            self._pipelines[pipeline] = self.steadily(lambda: Pipeline.objects.get(name=pipeline))
        close_old_connections()
        run = actions.start_run(
            pipeline=self._pipelines[pipeline],
            parameters=parameters,
            trigger=Trigger.API,
            overrides=Overrides.model_validate({"steps": options}) if options else None,
        )
        self.accepted.add(run.id)
        return run

    def start_many(self, count: int, pipeline: str, **parameters: Any) -> list[Run]:
        return [self.start(pipeline, **parameters) for _ in range(count)]

    def wait(self, runs: Iterable[Run] | None = None, *, seconds: float = 30) -> None:
        """Wait until the runs (default: all) have ended. One that does not is found by the oracle.

        ``seconds`` are those of a machine with two processors for us alone.
        """
        ids = [run.id for run in runs] if runs is not None else list(self.accepted)
        deadline = time.monotonic() + seconds * PATIENCE
        told, still_at = -1, 0.0
        while time.monotonic() < deadline:
            if HURRY and told != (told := self.steadily(RunEvent.objects.count)):
                still_at = time.monotonic() + _STILL_SECONDS * PATIENCE
            if HURRY and time.monotonic() > still_at:
                return
            left = Run.objects.filter(id__in=ids).exclude(status__in=TERMINAL_RUN)
            if not self.steadily(left.exists):
                return
            time.sleep(0.05)

    def until(self, condition: Callable[[], Found], what: str, *, seconds: float = 20) -> Found:
        """Return what ``condition`` says once it is true."""
        deadline = time.monotonic() + seconds * PATIENCE
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited {seconds:g} s in vain until {what}"
            time.sleep(0.02)
        return found

    def until_noted(self, kind: str, count: int = 1, *, seconds: float = 20) -> list[list[str]]:
        """Return the ledger's lines of a kind once there are ``count``."""

        def look() -> list[list[str]]:
            found = [line for line in self.ledger() if line[0] == kind]
            return found if len(found) >= count else []

        return self.until(look, f"{count} times {kind} is in the ledger", seconds=seconds)

    def until_repeated(self, count: int, *, seconds: float = 20) -> None:
        """Wait until that many steps began a second time."""

        def look() -> bool:
            begun = Counter((line[1], line[2]) for line in self.ledger() if line[0] == "begin")
            return sum(times > 1 for times in begun.values()) >= count

        self.until(look, f"{count} steps began again", seconds=seconds)

    def until_noted_of(self, kind: str, run: Run) -> None:
        """Wait until a step of the run wrote that down."""
        wanted = [kind, str(run.id)]
        self.until(lambda: any(line[:2] == wanted for line in self.ledger()), f"{kind} of run #{run.number}")

    def steadily(self, work: Callable[[], Found], *, seconds: float = 20) -> Found:
        """Do something with the database, again while it is away."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                close_old_connections()
                return work()
            except DatabaseError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def ledger(self) -> list[list[str]]:
        return [line.split() for line in self._ledger.read_text().splitlines()]

    def begun(self, *kinds: str) -> dict[int, str]:
        """Return which processes wrote down that they began, or something else, each with its start."""
        return {int(line[3]): line[4] for line in self.ledger() if line[0] in (kinds or ("begin",))}

    def cancel(self, run: Run) -> Run:
        close_old_connections()
        return actions.cancel_run(run=Run.objects.get(id=run.id), by="a test")

    def runs(self) -> list[Run]:
        return self.steadily(lambda: list(Run.objects.filter(id__in=self.accepted)))

    def forget(self, run: Run) -> None:
        """Leave a run out of the contract: nobody is meant to run it."""
        self.accepted.discard(run.id)

    def use_clock(self, file: Path) -> None:
        """Let the database's clock, and ours, be off by as many seconds as the file says."""
        if self.postgres is not None:
            self.postgres.shift_clock("stepwell", file)
        failing.shift_clock(file)
        connection.close()

    def attempts(self, run: Run, name: str) -> list[Attempt]:
        found = Attempt.objects.filter(step_run__run=run, step_run__invocation_id=name).order_by("number")
        return self.steadily(lambda: list(found))

    def status(self, run: Run) -> str:
        return str(self.steadily(lambda: Run.objects.values_list("status", flat=True).get(id=run.id)))

    def step(self, run: Run, name: str) -> StepRun:
        return self.steadily(lambda: StepRun.objects.get(run=run, invocation_id=name))

    def step_status(self, run: Run, name: str) -> str:
        """Return the status of a step, empty while it is not planned."""
        return self.steadily(lambda: getattr(StepRun.objects.filter(run=run, invocation_id=name).first(), "status", ""))

    def charged(self) -> int:
        """Return how many crashes and failures steps were charged with."""
        steps = StepRun.objects.filter(run_id__in=self.accepted)
        return sum(self.steadily(lambda: list(steps.values_list("crashes", flat=True))))

    def charges(self) -> str:
        """Return the crashes that steps were charged with, in words, or nothing."""
        crashed = Attempt.objects.filter(step_run__run_id__in=self.accepted, status="crashed")
        rows = self.steadily(lambda: list(crashed.values_list("step_run__invocation_id", "status_reason")))
        return "; ".join(f"{name} was charged: {reason}" for name, reason in rows)

    def node(self, process: Process) -> RunnerNode:
        return self.steadily(lambda: RunnerNode.objects.get(pid=process.pid, stopped_at=None))

    def left_processes(self) -> dict[int, str]:
        """Return processes of attempts that have ended, and those that steps of runs at rest wrote down."""
        ended = Attempt.objects.filter(step_run__run_id__in=self.accepted).exclude(status__in=("queued", "running"))
        attempts = {str(found) for found in self.steadily(lambda: list(ended.values_list("id", flat=True)))}
        # A step is forked, so that the mark is not in what the process table shows of it.
        at_rest = {str(run.id) for run in self.runs() if run.status in TERMINAL_RUN}
        noted = [line for line in self.ledger() if line[0] in {"begin", "child"} and line[1] in at_rest]
        return oracle.left_by(attempts, {int(line[3]): line[4] for line in noted})

    def after(self, cleanup: Callable[[], object]) -> None:
        self._cleanups.append(cleanup)

    def close(self) -> None:
        for process in self.processes:
            if process.is_alive:
                process.send(signal.SIGCONT)
                for child in process.below():
                    # One of a host that was killed a moment ago ends by itself.
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
                process.kill()
        ids: list[UUID] = []
        with suppress(DatabaseError):
            ids = self.steadily(lambda: list(Attempt.objects.values_list("id", flat=True)), seconds=3)
        for pid in oracle.left_by({str(found) for found in ids}, {}):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for cleanup in reversed(self._cleanups):
            cleanup()


def adopt() -> None:
    """Become the parent of what our processes leave behind, so that it is ended with us."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def end_what_is_left() -> None:
    """End every process below this one: what a mistake in the product left behind came to us."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def cpu_seconds() -> float:
    """Return what this process worked, and all that ran below it and have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(one.ru_utime + one.ru_stime for one in used), 1)


def check(condition: object, what: str) -> None:
    """Refuse what a scenario found beyond the contract's invariants."""
    if not condition:
        raise AssertionError(what)
