"""The log of one attempt as its step's options ask for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stepwell.core.plan import StepOptions
from stepwell.engine.logfile import LogWriter
from stepwell.execution.claims import Claim
from stepwell.execution.launching import Launch
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt


class StepLog(LogWriter):
    """A log that may leave out what the step prints, and may show it in the script's own terminal too."""

    def __init__(self, path: Path, *, cap_bytes: int, keeps_output: bool, is_echoed: bool) -> None:
        super().__init__(path, cap_bytes=cap_bytes)
        self._keeps_output = keeps_output
        self._is_echoed = is_echoed
        self._is_ours = False

    def write(self, chunk: bytes) -> None:
        if self._keeps_output or self._is_ours:
            super().write(chunk)
        if self._is_echoed:
            _show(chunk)

    def note(self, text: str) -> None:
        self._is_ours = True
        try:
            super().note(text)
        finally:
            self._is_ours = False


def open_log(claim: Claim, launch: Launch, *, is_echoed: bool = False, remarks: Sequence[str] = ()) -> StepLog:
    """Return the attempt's log, begun with what of its options has no effect here, and with ``remarks``."""
    log = StepLog(
        log_path(claim.step.run_id, claim.attempt.id),
        cap_bytes=launch.log_cap_bytes,
        keeps_output=launch.options.enable_step_logs,
        is_echoed=is_echoed,
    )
    # A log that was begun before has them.
    for remark in (*option_remarks(launch.options), *remarks) if not log.n_bytes else ():
        log.note(remark)
    return log


def close(attempt: Attempt, reason: str) -> None:
    """Write into the log of an attempt whose runner is dead that its end may be missing, and close it."""
    log = LogWriter(log_path(attempt.step_run.run_id, attempt.id))
    log.note(f"{reason.rstrip('.')}. What the step printed in its last second may be missing.")
    log.seal()
    Attempt.objects.filter(id=attempt.id).update(log_bytes=log.n_bytes, log_lines=log.n_lines, log_sealed=True)


def option_remarks(options: StepOptions) -> list[str]:
    """Return what of a step's options is not carried out, and that its output is not kept."""
    found = []
    if not options.enable_step_logs:
        found.append("What this step prints is not kept: enable_step_logs is off.")
    if options.settings.get("docker"):
        found.append("settings['docker'] has no effect here: steps run as processes of this machine.")
    return found


def _show(chunk: bytes) -> None:
    # A notebook's stdout takes text only; a closed one cannot be written. The log is kept either way.
    with suppress(AttributeError, OSError, ValueError):
        if buffer := getattr(sys.stdout, "buffer", None):
            buffer.write(chunk)
        else:
            sys.stdout.write(chunk.decode("utf-8", "replace"))
        sys.stdout.flush()
