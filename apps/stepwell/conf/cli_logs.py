"""``stepwell logs``: prints what steps wrote, and goes on while they write."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from stepwell.conf.cli_setup import load_database
from stepwell.errors import UsageError

if TYPE_CHECKING:
    from stepwell.runs.models import Attempt, Run

_LOOK_SECONDS = 0.3
_PART = 256 * 1024


def print_logs(options: argparse.Namespace) -> int:
    """Print the log of one step, or those of all steps with each line behind its step's name."""
    if options.attempt is not None and options.step is None:
        raise UsageError("--attempt needs a STEP.", hint="Write for example: stepwell logs 42 train --attempt 1.")
    load_database()
    from stepwell.api.lookup import find_attempt, find_run, find_step

    run = find_run(options.ref)
    step = find_step(run, options.step) if options.step else None
    printer = _Printer(run=run, step_id=step.id if step else None)
    if step and options.attempt is not None:
        printer.only = find_attempt(step, options.attempt).id
    while not printer.print_new(follow=options.follow):
        time.sleep(_LOOK_SECONDS)
    return 0


@dataclass(kw_only=True)
class _Printer:
    """Prints logs from where it stopped."""

    run: Run
    step_id: UUID | None
    only: UUID | None = None
    _offsets: dict[UUID, int] = field(default_factory=dict)

    def print_new(self, *, follow: bool) -> bool:
        """Print what is new; return whether nothing can follow."""
        # Read before the logs: what a step wrote before the run ended is then certainly printed.
        self.run.refresh_from_db(fields=["status"])
        is_over = self.run.is_finished or not follow
        attempts = self._attempts()
        for attempt in attempts:
            self._print_attempt(attempt, is_over=is_over)
        sys.stdout.flush()
        return is_over

    def _attempts(self) -> list[Attempt]:
        from stepwell.runs.models import Attempt

        rows = Attempt.objects.filter(step_run__run=self.run).select_related("step_run")
        if self.only:
            return list(rows.filter(id=self.only))
        if self.step_id:
            rows = rows.filter(step_run=self.step_id)
        found = list(rows.order_by("step_run__ordinal", "step_run_id", "number"))
        newest = {attempt.step_run_id: attempt for attempt in found}
        return [attempt for attempt in found if attempt.id in self._offsets or newest[attempt.step_run_id] == attempt]

    def _print_attempt(self, attempt: Attempt, *, is_over: bool) -> None:
        from stepwell.engine.logfile import LogReader
        from stepwell.runs.logs import log_path

        offset = self._offsets.setdefault(attempt.id, 0)
        path = log_path(self.run.id, attempt.id)
        if not path.exists():
            return
        reader = LogReader(path)
        prefix = "" if self.step_id else f"{attempt.step_run.invocation_id} | "
        while (span := reader.span(offset, _PART)).content:
            raw = span.content
            # A line is printed once it is whole, unless its end was dropped or never comes.
            end = len(raw) if span.is_gap else raw.rfind(b"\n") + 1
            if not end and (len(raw) == _PART or is_over or span.end < reader.n_bytes):
                end = len(raw)
            if not end:
                break
            offset = span.end if span.is_gap else offset + end
            _print_lines(raw[:end].decode(errors="replace"), prefix)
        self._offsets[attempt.id] = offset


def _print_lines(text: str, prefix: str) -> None:
    if not prefix:
        sys.stdout.write(text)
        return
    for line in text.removesuffix("\n").split("\n"):
        sys.stdout.write(f"{prefix}{line}\n")
