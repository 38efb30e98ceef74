"""Runs scripts and the ``stepwell`` command as a user does: in processes and a data folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: seconds a command may take on a busy machine
PATIENCE = 90


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A data folder, and a folder to work in, that nothing else uses."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.folder),
            "STEPWELL_HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT / "apps"),
            # a deprecated call in an example is ours to correct
            "PYTHONWARNINGS": "default",
        }

    def python(self, *words: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python with ``words`` in the work folder; ``given`` is its standard input."""
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def stepwell(self, *words: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "stepwell", *words, given=given)

    def runs(self) -> list[dict[str, Any]]:
        """Return what ``stepwell runs --json`` prints, newest first."""
        done = self.stepwell("runs", "--json")
        assert done.returncode == 0, told(done)
        runs: list[dict[str, Any]] = json.loads(done.stdout)
        return runs


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return all a command printed, for the message of a failed test."""
    return f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"


def only(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    assert len(items) == 1, items
    return items[0]
