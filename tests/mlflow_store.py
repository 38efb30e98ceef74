"""A database of MLflow's to copy: making its tables takes MLflow seconds, wherever a test wants one."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_MAKE = "import mlflow, sys; mlflow.MlflowClient(sys.argv[1]).search_experiments()"


def copy_store(place: Path) -> str:
    """Put an empty MLflow database there and return its tracking URI; it is kept between test processes."""
    version = importlib.metadata.version("mlflow-skinny")
    kept = Path(tempfile.gettempdir()) / f"stepwell-mlflow-{os.getuid()}-{version}.db"
    if not kept.is_file():
        draft = Path(tempfile.mkdtemp(prefix="stepwell-mlflow-")) / "draft.db"
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
        subprocess.run([sys.executable, "-c", _MAKE, f"sqlite:///{draft}"], env=environment, check=True, timeout=120)
        draft.rename(kept)
        draft.parent.rmdir()
    shutil.copy(kept, place)
    return f"sqlite:///{place}"


def read_run(store: Path, run_id: str) -> dict[str, Any]:
    """Return what an MLflow store in SQLite has of a run; MLflow itself takes seconds to load."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        [(status, artifacts)] = database.execute(
            "SELECT status, artifact_location FROM runs JOIN experiments USING (experiment_id) WHERE run_uuid = ?",
            [run_id],
        )
        tables = {"params": "params", "metrics": "latest_metrics", "tags": "tags"}
        kept = {
            what: dict(database.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ?", [run_id]))
            for what, table in tables.items()
        }
    return {"status": status, "artifacts": artifacts, **kept}


def run_ids(store: Path) -> list[str]:
    """Return the ids of all runs of an MLflow store in SQLite."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        return [run_id for (run_id,) in database.execute("SELECT run_uuid FROM runs")]
