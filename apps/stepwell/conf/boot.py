"""Getting Django and the database ready, from any entry: the command line, the runner, or a script."""

from __future__ import annotations

import atexit
import fcntl
import gc
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import django.apps

from stepwell.conf import paths


def setup() -> None:
    """Load Django with our settings; calling it again does nothing."""
    if not django.apps.apps.ready:
        atexit.register(_leave_quickly)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stepwell.conf.settings")
    # Scripts and notebooks call us from inside an event loop too; our own code never blocks one.
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    django.setup()


def name_person() -> None:
    """From here on write what is done down as done by the person of this machine whose process this is."""
    from stepwell.accounts import audit

    with suppress(OSError, KeyError, ImportError):
        audit.is_of(getpass.getuser())


def migrate() -> bool:
    """Bring the database's schema up to date, one process at a time; return whether anything was done."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    with _lock("migrate"):
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        call_command("migrate", verbosity=0, interactive=False)
        return True


def _leave_quickly() -> None:
    """Finalise garbage once, and spare the interpreter its three looks through all that Django loaded."""
    gc.collect()
    gc.freeze()


@contextmanager
def _lock(name: str) -> Iterator[None]:
    handle = os.open(paths.home() / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
