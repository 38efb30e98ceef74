"""What commands need before they can work, and the ones that only concern the program: help, version, manage."""

from __future__ import annotations

import argparse
import sys

from stepwell.errors import ConfigError, Unavailable


def load_django() -> None:
    """Load settings and models.

    Raises:
        ConfigError: A setting does not do; names it.
    """
    from django.core.exceptions import ImproperlyConfigured

    from stepwell.conf import boot

    try:
        boot.setup()
    except ImproperlyConfigured as exc:
        raise ConfigError(str(exc)) from None
    except PermissionError as exc:
        raise ConfigError(
            f"The data folder cannot be used: {exc.strerror}: {exc.filename}.",
            hint="Set STEPWELL_HOME to a folder you may write to.",
        ) from None


def load_database(*, patience: float = 0) -> None:
    """Load Django and bring an embedded database up to date; refuse a shared one that is behind.

    ``patience``: for how many seconds a database that does not answer is waited for.

    Raises:
        Unavailable: The database cannot be reached, or another version of the program has to migrate it first.
    """
    load_django()
    from django.db import OperationalError, connection

    from stepwell.conf import boot
    from stepwell.kit.schema import missing_migrations, why_unreachable
    from stepwell.kit.steady import steadily

    def look() -> None:
        if connection.vendor == "sqlite":
            boot.migrate()
        elif missing_migrations():
            raise Unavailable("The database is older than this program.", hint="Run “stepwell manage migrate” first.")

    if not patience:
        _begin_command()
    try:
        steadily(look, seconds=patience, what="The start")
    except OperationalError as exc:
        why = why_unreachable(exc).rstrip(".")
        raise Unavailable(f"The database cannot be reached: {why}.", hint="Check DATABASE_URL.") from None


def _begin_command() -> None:
    import logging

    from stepwell.conf import boot

    # A command says once, by its error, what a server has to log each time.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    boot.name_person()


def manage(words: list[str]) -> int:
    """Run a command of Django's."""
    load_django()
    return _execute(words)


def _execute(words: list[str]) -> int:
    from django.core.management import ManagementUtility

    utility = ManagementUtility(["stepwell manage", *words])
    utility.prog_name = "stepwell manage"
    try:
        utility.execute()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    return 0


def check(options: argparse.Namespace) -> int:
    """Check settings and models; with ``--deploy`` also what matters once others can reach the instance."""
    import os

    load_django()
    # Ours, for scripts that call us from an event loop; no server has it set.
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
    return _execute(["check", "--fail-level", "WARNING", *(["--deploy"] if options.deploy else [])])


def print_help(options: argparse.Namespace) -> int:
    options.parser.print_help()
    return 0


def print_version(options: argparse.Namespace) -> int:
    from stepwell.kit import machine

    print(f"stepwell {machine.version()}")
    return 0


def warn(text: str) -> None:
    print(f"stepwell: {text}", file=sys.stderr)
