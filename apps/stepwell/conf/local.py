"""The seam between a script and the store: loaded by the SDK by name, at its first call of a pipeline or ``Client``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from stepwell.conf import boot

_ready = False


def run_plan(**request: Any) -> Any:
    """Make the store ready and run a traced pipeline in this process; see ``execution.script.run_plan``."""
    boot.setup()
    boot.migrate()
    boot.name_person()
    # Only now can modules with models be imported.
    return import_module("stepwell.execution.script").run_plan(**request)


def ask(operation: str, arguments: dict[str, Any]) -> Any:
    """Do one operation of ``execution.calls`` on the store of this machine and return its answer as plain JSON.

    Raises:
        StepwellError: It is not allowed, does not fit, or what it names is not there.
    """
    global _ready
    boot.setup()
    if not _ready:
        boot.migrate()
        _ready = True
    database = import_module("django.db")
    try:
        return import_module("stepwell.execution.calls").ask(operation, arguments)
    finally:
        # Step hosts are forked from scripts: no connection may be open then.
        for connection in database.connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()


def store_schedule(**request: Any) -> Any:
    """Make the store ready and store a pipeline's code and schedule; see ``execution.scheduling.register_schedule``."""
    boot.setup()
    boot.migrate()
    boot.name_person()
    return import_module("stepwell.execution.scheduling").register_schedule(**request)
