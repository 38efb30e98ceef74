"""What the dashboard's browser tests look at, put into the server's database and log folder by a hand."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from uuid import UUID

from django.db import transaction

from stepwell.core.status import AttemptStatus, RunStatus, StepStatus
from stepwell.engine.logfile import LogWriter
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, StepRun
from tests.live import seed as live

MILLION = 1_000_000
#: which lines hold the word that is searched for: 1,922 of them, half with a capital letter
NEEDLE_EVERY = 520
NEEDLES = 1922
_PART = 5000


def million_lines() -> dict[str, Any]:
    """Make a completed step whose log has a million lines of about 100 bytes; return ids, size and SHA-256."""
    ids = live.make_run()
    digest = hashlib.sha256()
    path = log_path(UUID(ids["run"]), UUID(ids["attempt"]))
    writer = LogWriter(path, cap_bytes=256 * 1024 * 1024)
    for start in range(1, MILLION + 1, _PART):
        part = "".join(map(million_line, range(start, start + _PART))).encode()
        digest.update(part)
        writer.write(part)
        writer.flush()
    writer.seal()
    finish(run=ids["run"], attempt=ids["attempt"], lines=MILLION, size=writer.n_bytes)
    number = live.number_of(run=ids["run"])
    return {**ids, "number": number, "sha256": digest.hexdigest(), "size": writer.n_bytes, "path": str(path)}


def million_line(number: int) -> str:
    word = "Needle" if number % (2 * NEEDLE_EVERY) == 0 else "needle"
    mark = f" {word}" if number % NEEDLE_EVERY == 0 and number <= NEEDLES * NEEDLE_EVERY else ""
    level = " ERROR it broke" if number % 250_000 == 7 else ""
    text = f"line {number}{mark}{level} "
    return f"{text}{'x' * (98 - len(text))}\n"


def log_of(*, text: str, status: str = "completed") -> dict[str, Any]:
    """Make a step that ended, with this log; return its ids and the run's number."""
    ids = live.make_run()
    live.print_lines(run=ids["run"], attempt=ids["attempt"], text=text)
    live.close_log(attempt=ids["attempt"])
    lines = text.count("\n")
    finish(run=ids["run"], attempt=ids["attempt"], status=status, lines=lines, size=len(text.encode()))
    return {**ids, "number": live.number_of(run=ids["run"])}


def running(*, text: str = "") -> dict[str, Any]:
    """Make a running step, with this log so far."""
    ids = live.make_run()
    if text:
        live.print_lines(run=ids["run"], attempt=ids["attempt"], text=text)
    return {**ids, "number": live.number_of(run=ids["run"])}


def finish(*, run: str, attempt: str, status: str = "completed", lines: int = 0, size: int = 0) -> None:
    """End the step and its run."""
    with transaction.atomic():
        live.set_status(run=run, status=RunStatus(status))
        StepRun.objects.filter(run_id=run).update(status=StepStatus(status))
        Attempt.objects.filter(id=attempt).update(
            status=AttemptStatus(status), log_lines=lines, log_bytes=size, log_sealed=True
        )


def print_steadily(*, run: str, attempt: str, lines: int, a_second: int, first: int = 1) -> None:
    """Print numbered lines that say when they were written, so many a second, as a step's output is stored."""
    began = time.monotonic()
    done = 0
    while done < lines:
        due = min(lines, int((time.monotonic() - began) * a_second) + 1)
        if due > done:
            at = time.time() * 1000
            text = "".join(f"tick {first + number} at {at:.0f}\n" for number in range(done, due))
            live.print_lines(run=run, attempt=attempt, text=text)
            done = due
        time.sleep(0.02)


def many_running(*, n: int) -> dict[str, Any]:
    """Make a run of ``n`` running steps with a log each; return its id and number, and the attempts' ids."""
    ids = live.make_run()
    attempts = [ids["attempt"]]
    with transaction.atomic():
        for index in range(1, n):
            step = StepRun.objects.create(
                run_id=ids["run"], invocation_id=f"step_{index}", name="step", status=StepStatus.RUNNING, ordinal=index
            )
            attempt = Attempt.objects.create(step_run=step, number=1, status=AttemptStatus.RUNNING)
            attempts.append(str(attempt.id))
    return {**ids, "number": live.number_of(run=ids["run"]), "attempts": attempts}


def stir(*, run: str, attempts: list[str], seconds: float) -> int:
    """For some seconds let every step beat, the first one print, and the run record events; return how many."""
    began = time.monotonic()
    rounds = 0
    while time.monotonic() - began < seconds:
        for attempt in attempts:
            live.beat(attempt=attempt, progress={"done": rounds, "total": 100})
        live.print_lines(run=run, attempt=attempts[0], text=f"round {rounds}\n")
        live.tell(run=run, numbers=[rounds])
        rounds += 1
        time.sleep(0.05)
    return rounds


def begin_log_again(*, run: str, attempt: str) -> None:
    """Replace an attempt's log by a shorter one, as restoring a backup does."""
    live.close_log(attempt=attempt)
    path = log_path(UUID(run), UUID(attempt))
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    live.print_lines(run=run, attempt=attempt, text="other\n")
