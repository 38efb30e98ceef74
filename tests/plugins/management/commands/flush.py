"""Django empties every table after a test with transactions of its own; the audit log refuses that but here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.core.management.commands.flush import Command as Flush
from django.db import connections

guarding = import_module("stepwell.accounts.migrations.0005_audit_append_only")


class Command(Flush):
    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        with connection.schema_editor() as editor:
            guarding.unguard(None, editor)
        try:
            super().handle(**options)
        finally:
            with connection.schema_editor() as editor:
                guarding.guard(None, editor)
