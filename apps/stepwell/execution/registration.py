"""Registering a file: a step process reads its pipelines, and its code is kept."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stepwell.core.ids import new_id
from stepwell.core.packages import import_root
from stepwell.core.plan import PipelineSpec
from stepwell.core.status import AttemptStatus
from stepwell.engine.logfile import LogWriter
from stepwell.engine.masking import Masker
from stepwell.engine.ports import LaunchSpec, Outcome
from stepwell.engine.supervise import Supervision, supervise
from stepwell.errors import UsageError
from stepwell.execution import archives, calls, hosts
from stepwell.execution.worker import pace
from stepwell.pipelines.actions import store_snapshot
from stepwell.pipelines.models import Snapshot
from stepwell.runs.logs import log_path

_DISCOVER_SECONDS = 120


class _Collector:
    """A watcher that only keeps the outcome."""

    outcome: Outcome | None = None

    def started(self, *, pid: int) -> None:
        pass

    def beat(self, *, progress: dict[str, Any] | None, log_bytes: int, log_lines: int) -> str:
        return "go"

    def frame(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        # A pipeline's body may look things up; reading a file changes nothing.
        return calls.answer_frame(frame, asker=calls.Asker(read_only=True)) if frame.get("t") == "call" else None

    def result(self, outcome: Outcome) -> None:
        self.outcome = outcome


def register_file(path: Path | str) -> list[Snapshot]:
    """Store every pipeline a Python file defines; return their snapshots.

    The file is imported in a process of its own; calls of pipelines it makes while imported are ignored.

    Raises:
        UsageError: The file does not exist, cannot be imported, or defines no pipeline.
    """
    file = Path(path).resolve()
    if not file.is_file() or file.suffix != ".py":
        raise UsageError(f"{path} is not a Python file.", hint="Give the path of a .py file with a @pipeline in it.")
    root = import_root(file)
    specs = discover(file, root=root)
    code_hash = archives.keep(root, entry_file=file)
    commit = git_commit(root)
    entry = str(file.relative_to(root))
    return [store_snapshot(spec, code_hash=code_hash, entry_file=entry, git_commit=commit) for spec in specs]


def discover(file: Path, *, root: Path) -> list[PipelineSpec]:
    """Return the pipelines a file defines; its imports begin in ``root``.

    Raises:
        UsageError: The file cannot be imported, or defines no pipeline.
    """
    host = hosts.spawn(root=root, entry_file=str(file.relative_to(root)))
    collector = _Collector()
    attempt_id = new_id()
    spec = LaunchSpec(
        kind="discover",
        attempt_id=str(attempt_id),
        payload={"kind": "discover"},
        environment=hosts.base_environment(),
    )
    log_file = log_path(attempt_id, attempt_id)
    writer = LogWriter(log_file, cap_bytes=1024 * 1024)
    try:
        outcome = supervise(
            Supervision(
                host, spec, log=writer, masker=Masker(()), watcher=collector, pace=pace(), timeout=_DISCOVER_SECONDS
            )
        )
    finally:
        host.close()
        writer.seal()
        _remove(log_file.parent)
    return _specs(file, collector.outcome or outcome)


def git_commit(folder: Path) -> str:
    """Return the commit the folder is at, with ``+`` when files differ from it; empty outside a checkout."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return ""
    return head + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()


def _specs(file: Path, outcome: Outcome) -> list[PipelineSpec]:
    if outcome.status != AttemptStatus.COMPLETED:
        detail = f"{outcome.error.type}: {outcome.error.message}" if outcome.error else outcome.reason
        where = f" ({outcome.error.where})" if outcome.error and outcome.error.where else ""
        raise UsageError(f"{file.name} cannot be imported: {detail}{where}")
    try:
        specs = [PipelineSpec.model_validate(spec) for spec in outcome.result.get("specs", [])]
    except ValidationError as exc:
        raise UsageError(f"{file.name} describes a pipeline that cannot be read: {exc.error_count()} errors.") from exc
    if not specs:
        skipped = "; ".join(str(reason) for reason in outcome.result.get("skipped", []))
        raise UsageError(
            f"{file.name} defines no pipeline. {skipped}".strip(),
            hint="Decorate a function at the top level of the file with @pipeline.",
        )
    return specs


def _remove(folder: Path) -> None:
    for path in folder.glob("*"):
        path.unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()
