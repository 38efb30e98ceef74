"""The seam between a script that calls a pipeline and the store: loaded by the SDK by name, at the first call."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from stepwell.conf import boot


def run_plan(**request: Any) -> Any:
    """Make the store ready and run a traced pipeline in this process; see ``execution.script.run_plan``."""
    boot.setup()
    boot.migrate()
    # Only now can modules with models be imported.
    return import_module("stepwell.execution.script").run_plan(**request)
