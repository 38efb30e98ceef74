"""``stepwell doctor``: checks an installation, and says what to do about what is wrong."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from stepwell.conf import paths
from stepwell.conf.cli_output import print_json
from stepwell.conf.cli_setup import load_django, missing_migrations
from stepwell.core.durations import format_duration
from stepwell.errors import StepwellError

_LEAST_FREE_BYTES = 500 * 1024 * 1024
#: a runner shows itself every sweep (5 s); a step that waits longer than this while one lives is worth a look
_RUNNER_SECONDS = 60
_QUEUE_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. ``todo`` says what to do when it is not ``ok``."""

    name: str
    ok: bool
    text: str
    todo: str = ""


def examine(options: argparse.Namespace) -> int:
    """Run every check; return 1 when one found a problem."""
    findings = list(check_all())
    if options.json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.name}: {finding.text}")
            if finding.todo:
                print(f"         {finding.todo}")
    return 0 if all(finding.ok for finding in findings) else 1


def check_all() -> Iterator[Finding]:
    """Yield the finding of each check; those that need what is broken are left out."""
    folder = check_folder()
    yield folder
    if not folder.ok:
        return
    yield check_space(paths.home())
    try:
        load_django()
    except StepwellError as exc:
        yield Finding(name="settings", ok=False, text=exc.message, todo=exc.hint)
        return
    yield Finding(name="settings", ok=True, text="every value is allowed")
    database = check_database()
    yield database
    if not database.ok:
        return
    later: tuple[Callable[[], Finding], ...] = (check_keyring, check_admin, check_runner, check_queue)
    for check in later:
        yield check()


def check_folder() -> Finding:
    """Check that the data folder is there, writable, and private."""
    name = "data folder"
    try:
        folder = paths.home()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
    except OSError as exc:
        todo = "Give this user the right to write there, or set STEPWELL_HOME to another folder."
        return Finding(name=name, ok=False, text=f"cannot be written: {exc.strerror}: {exc.filename}", todo=todo)
    if folder.stat().st_mode & 0o077:
        text = f"{folder} can be read by other users of this machine"
        return Finding(name=name, ok=False, text=text, todo=f"chmod 700 {folder}")
    return Finding(name=name, ok=True, text=str(folder))


def check_space(folder: Path) -> Finding:
    """Check that there is room for logs and artifacts."""
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free"
    todo = "" if free >= _LEAST_FREE_BYTES else "Make room: below 500 MiB, steps cannot store what they make."
    return Finding(name="disk", ok=not todo, text=text, todo=todo)


def check_database() -> Finding:
    """Check that the database answers and has this program's schema."""
    from django.db import Error, connection

    try:
        missing = missing_migrations()
    except Error as exc:
        return Finding(
            name="database", ok=False, text=f"cannot be reached: {str(exc).strip()}", todo="Check DATABASE_URL."
        )
    if missing:
        text = f"{len(missing)} migrations are missing: {', '.join(missing[:3])}"
        return Finding(name="database", ok=False, text=text, todo="stepwell manage migrate")
    return Finding(name="database", ok=True, text=f"{connection.display_name}, up to date")


def check_keyring() -> Finding:
    """Check that the secrets stored here can be opened."""
    from stepwell.vault import keyring
    from stepwell.vault.models import SecretVersion

    try:
        known = {key.id for key in keyring.load()}
    except StepwellError as exc:
        return Finding(name="key ring", ok=False, text=exc.message, todo=exc.hint)
    lost = set(SecretVersion.objects.values_list("key_id", flat=True).distinct()) - known
    if lost:
        return Finding(
            name="key ring",
            ok=False,
            text=f"lacks the keys {', '.join(sorted(lost))} that secrets were sealed with",
            todo="Put the file keyring of the data folder back from a backup, or rotate those secrets.",
        )
    return Finding(name="key ring", ok=True, text=f"{len(known)} keys" if known else "the first secret makes it")


def check_admin() -> Finding:
    """Check that somebody can administer the instance."""
    from stepwell.accounts.models import Role, User

    n_admins = User.objects.filter(role=Role.ADMIN, is_active=True).count()
    todo = "" if n_admins else "stepwell login-link makes an admin and prints a link."
    return Finding(name="admins", ok=bool(n_admins), text=f"{n_admins} active", todo=todo)


def check_runner() -> Finding:
    """Check that a runner showed itself lately."""
    from stepwell.runs.models import RunnerNode

    nodes = RunnerNode.objects.filter(kind=RunnerNode.Kind.RUNNER, stopped_at=None, seen_at__gt=0)
    newest = nodes.order_by("-seen_at").first()
    age = time.time() - newest.seen_at if newest else None
    if age is None or age > _RUNNER_SECONDS:
        text = "none runs" if age is None else f"none was seen for {format_duration(age)}"
        return Finding(name="runner", ok=False, text=text, todo="Start one: stepwell up, or stepwell runner.")
    return Finding(name="runner", ok=True, text=f"seen {format_duration(age)} ago")


def check_queue() -> Finding:
    """Check that no step waits for a runner for long."""
    from django.utils import timezone

    from stepwell.core.status import AttemptStatus
    from stepwell.runs.models import Attempt

    waiting = Attempt.objects.filter(status=AttemptStatus.QUEUED, step_run__run__script_node_id=None)
    oldest = waiting.order_by("queued_at").first()
    if oldest is None:
        return Finding(name="queue", ok=True, text="no step waits")
    age = (timezone.now() - oldest.queued_at).total_seconds()
    text = f"{waiting.count()} steps wait, the oldest for {format_duration(age)}"
    todo = "" if age < _QUEUE_SECONDS else "Start a runner, or raise the step slots on the Settings page."
    return Finding(name="queue", ok=not todo, text=text, todo=todo)
