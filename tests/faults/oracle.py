"""The contract, checked after every fault: one question to database, files and process table per invariant."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from django.db import connection

from stepwell.artifacts.models import StepArtifact
from stepwell.core.status import (
    DONE_STEP,
    TERMINAL_RUN,
    TERMINAL_STEP,
    AttemptStatus,
    StepKind,
    fold_run_status,
)
from stepwell.engine import trees
from stepwell.engine.logreader import LogReader
from stepwell.errors import StepwellError
from stepwell.execution import inputs
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run, RunEvent, StepRun
from stepwell.sdk.artifactstore import ArtifactStore
from tests.faults import oracle_hooks

if TYPE_CHECKING:
    from tests.faults.stage import Stage

CRASH_BUDGET = 3
ORPHAN_SECONDS = 15
#: attempts that do not count against a step
_FREE = (AttemptStatus.INTERRUPTED, AttemptStatus.CANCELLED)


def violations(stage: Stage, *, patience: float = 1) -> list[str]:
    """Return what is wrong, each with the number of the invariant it breaks; only the first of a seeded mistake."""
    found = _violations(stage, patience)
    return list(islice(found, 1)) if stage.is_hurried else list(found)


def _violations(stage: Stage, patience: float) -> Iterator[str]:
    runs = list(Run.objects.filter(id__in=stage.accepted).select_related("snapshot"))
    yield from (f"I1 run {run_id} is gone" for run_id in stage.accepted - {run.id for run in runs})
    for run in runs:
        yield from _run(run)
    yield from _ledger(stage)
    yield from _orphans(stage)
    yield from _secrets(stage)
    yield from oracle_hooks.violations(stage, patience=patience)
    if stage.visitor is not None:
        yield from stage.visitor.violations(patience=patience)
        stage.figures["web"] = stage.visitor.figure()


def _run(run: Run) -> Iterator[str]:
    steps = list(StepRun.objects.filter(run=run))
    told = f"#{run.number} {run.pipeline.name}"
    if run.status not in TERMINAL_RUN:
        left = [f"{step.invocation_id} {step.status}" for step in steps if step.status not in TERMINAL_STEP]
        yield f"I1 {told} is still {run.status}: {', '.join(left[:6])}"
        return
    events = list(RunEvent.objects.filter(run=run).order_by("seq"))
    yield from (f"I2 {told}: {problem}" for problem in _ends(run, steps, events))
    for step in steps:
        yield from (f"{problem} ({told}, {step.invocation_id})" for problem in _step(step))
    statuses = {step.status for step in steps if step.kind != StepKind.CLEANUP}
    if unfinished := sorted(statuses - TERMINAL_STEP):
        yield f"I9 {told} is {run.status} with steps {unfinished}"
    elif run.script_node_id is None:
        folded = fold_run_status(statuses, cancelling=run.cancel_requested_at is not None)
        if folded != run.status:
            yield f"I9 {told} is {run.status}, its steps say {folded}"


def _ends(run: Run, steps: list[StepRun], events: list[RunEvent]) -> Iterator[str]:
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        yield f"its events have gaps: {[event.seq for event in events]}"
    last: dict[str, str] = {}
    ends: Counter[str] = Counter()
    for event in events:
        if event.kind not in {"run.status", "step.status"}:
            continue
        key, status = event.payload.get("step", "run"), event.payload["status"]
        if last.get(key) in (TERMINAL_STEP if key != "run" else TERMINAL_RUN):
            yield f"{key} was {last[key]} and became {status}"
        last[key] = status
        ends[key] += status in (TERMINAL_STEP if key != "run" else TERMINAL_RUN)
    if ends["run"] != 1 or last["run"] != run.status:
        yield f"the run ended {ends['run']} times, last told {last.get('run')}, is {run.status}"
    for step in steps:
        if last.get(str(step.id), step.status) != step.status:
            yield f"{step.invocation_id} is {step.status}, last told {last[str(step.id)]}"


def _step(step: StepRun) -> Iterator[str]:
    attempts = list(Attempt.objects.filter(step_run=step).order_by("number"))
    if any(attempt.status in {"queued", "running"} for attempt in attempts):
        yield "I2 an attempt is live after the end"
    charged = sum(attempt.status not in _FREE for attempt in attempts)
    if charged > 1 + step.options.retry.max_retries + CRASH_BUDGET:
        yield f"I4 {charged} attempts were charged"
    completed = [attempt for attempt in attempts if attempt.status == AttemptStatus.COMPLETED]
    if len(completed) != (step.status == "completed"):
        yield f"I3 {len(completed)} accepted results of a step that is {step.status}"
    if step.status in DONE_STEP and step.kind == StepKind.STEP:
        yield from _outputs(step)
    for attempt in attempts:
        yield from _log(step, attempt)


def _outputs(step: StepRun) -> Iterator[str]:
    links = StepArtifact.objects.filter(step_run=step, direction="output").select_related("artifact_version")
    wanted = sorted(output["name"] for output in step.plan.get("outputs", []))
    if sorted(link.name for link in links) != wanted:
        yield f"I5 outputs {[link.name for link in links]}, wanted {wanted}"
    store = ArtifactStore(inputs.artifact_root())
    for link in links:
        version = link.artifact_version
        try:
            store.verify(version.uri, size=version.size, sha256=version.sha256)
        except StepwellError as exc:
            yield f"I5 {exc.message}"


def _log(step: StepRun, attempt: Attempt) -> Iterator[str]:
    """Numbered lines: what is stored begins at 0 and has no gap, no double, no half line but the last."""
    path = log_path(step.run_id, attempt.id)
    if not path.exists():
        return
    reader = LogReader(path)
    content, position = b"", 0
    while (span := reader.span(position, 1 << 20)).content or span.is_gap:
        if span.is_gap:
            return
        content += span.content
        position = span.end
    # What stands after the last line break was cut by a kill, and so was a line our own note follows.
    lines = [line for line in content.split(b"\n")[:-1] if line.startswith(b"line ")]
    for index, line in enumerate(lines):
        is_cut = index == len(lines) - 1 and attempt.status != AttemptStatus.COMPLETED
        if not line.startswith(b"line %06d of " % index) and not is_cut:
            yield f"I7 attempt {attempt.number}: line {index} is {line[:60]!r}"
            return


def _ledger(stage: Stage) -> Iterator[str]:
    for line in stage.ledger():
        if line[0] == "overlap":
            yield f"I3 two processes of {line[2]} at once: {line[3]} and {line[4]} (run {line[1]})"


def _orphans(stage: Stage) -> list[str]:
    """Wait until nothing of an ended attempt runs, as long as is promised."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while left := stage.left_processes():
        if time.monotonic() > deadline:
            return [f"I6 process {pid} of {what} still runs" for pid, what in left.items()]
        time.sleep(0.1)
    return []


def _secrets(stage: Stage) -> Iterator[str]:
    if not stage.secret:
        return
    forms = {
        stage.secret,
        b64encode(stage.secret.encode()).decode(),
        quote(stage.secret),
        json.dumps(stage.secret)[1:-1],
    }
    for path in Path(stage.home).rglob("*"):
        if path.is_file() and any(form.encode() in path.read_bytes() for form in forms):
            yield f"I8 the secret is in {path.name}"
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                found = " OR ".join(["strpos(t::text, %s) > 0"] * len(forms))
                cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE {found}', list(forms))
                if cursor.fetchone()[0]:
                    yield f"I8 the secret is in table {table}"


def left_by(attempts: set[str], pids: dict[int, str]) -> dict[int, str]:
    """Return running processes that carry the mark of one of the attempts, and those of ``pids`` (pid -> start)."""
    found: dict[int, str] = {}
    mark = f"{trees.MARKER}=".encode()
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if not folder.name.isdecimal() or mark not in (told := (folder / "environ").read_bytes()):
                continue
            attempt = told.partition(mark)[2].partition(b"\0")[0].decode()
            if attempt in attempts and (folder / "stat").read_text().rpartition(") ")[2][0] not in "ZX":
                found[int(folder.name)] = f"attempt {attempt}"
    for pid, start in pids.items():
        identity = trees.identify(pid)
        if identity is not None and str(identity.start_time) == start and trees.is_alive(identity):
            found[pid] = "a step"
    return found
