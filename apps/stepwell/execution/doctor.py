"""Checks of an instance that need its database: schema, keys, runners, what waits, what is missing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import Error, connection
from django.db.models import FloatField, Value
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings, Role, User
from stepwell.alerts.models import Delivery
from stepwell.artifacts.models import ArtifactVersion
from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus
from stepwell.errors import StepwellError
from stepwell.execution import disk, inputs, nodes
from stepwell.kit.findings import FAIL, WARN, Finding
from stepwell.kit.models import DbNow
from stepwell.kit.schema import applied_migrations, known_migrations, missing_migrations, why_unreachable
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, HookCall, RunnerNode
from stepwell.vault import keyring
from stepwell.vault import queries as vault

#: a runner shows itself every sweep (5 s); a step that waits longer than this while one lives is worth a look
_RUNNER_SECONDS = 60
_QUEUE_SECONDS = 300
_CLOCK_SECONDS = 5
#: an ended attempt's log is closed within seconds
_SEAL_SECONDS = 600
_OVERDUE_SECONDS = 3600
_SAMPLE = 200
_LOW_BYTES = 2 * 1024**3
_RESTORE = "Stop the instance and restore a backup: stepwell restore --replace FILE."
_LATELY = timedelta(days=7)
_OURS = ("accounts.", "alerts.", "artifacts.", "desk.", "pipelines.", "runs.", "stacks.", "vault.")


def check_all(*, is_thorough: bool = True) -> Iterator[Finding]:
    """Yield the finding of each check; without a database that fits, the others are left out.

    ``is_thorough``: also read the whole database file, which takes as long as it is big.
    """
    yield check_space()
    database = check_database()
    yield database
    if not database.ok:
        return
    later: tuple[Callable[[], Finding], ...] = (
        *((check_integrity,) if is_thorough else ()),
        check_clock,
        check_keyring,
        check_admin,
        check_runner,
        check_dead_runners,
        check_queue,
        check_logs,
        check_artifacts,
        check_outbox,
    )
    for check in later:
        yield check()


def check_space() -> Finding:
    """Check that there is room for logs and artifacts, as runners ask before each step."""
    folders = [folder for folder in (Path(settings.HOME), inputs.artifact_root()) if folder.exists()]
    usage = min(map(shutil.disk_usage, folders), key=lambda one: one.free)
    free, least = usage.free, disk.reserve(usage.total)
    text = f"{free / 1024**3:.1f} GiB free"
    if free < least:
        todo = f"Make room: below {least / 2**20:,.0f} MiB no steps are started."
        return Finding(name="disk", level=FAIL, text=text, todo=todo)
    if free < _LOW_BYTES:
        return Finding(name="disk", level=WARN, text=text, todo="Make room, or keep runs for less long (Settings).")
    return Finding(name="disk", text=text)


def check_database() -> Finding:
    """Check that the database answers and has exactly this program's schema."""
    name = "database"
    try:
        missing = missing_migrations()
        unknown = sorted(one for one in set(applied_migrations()) - known_migrations() if one.startswith(_OURS))
    except Error as exc:
        text = f"cannot be reached: {why_unreachable(exc)}"
        todo = "Check DATABASE_URL." if "not a database" not in text else _RESTORE
        return Finding(name=name, level=FAIL, text=text, todo=todo)
    if unknown:
        text = f"was made by a newer version: {', '.join(unknown[:3])} is not known here"
        return Finding(name=name, level=FAIL, text=text, todo="Install the version that was used before.")
    if missing:
        text = f"{len(missing)} migrations are missing: {', '.join(missing[:3])}"
        return Finding(name=name, level=FAIL, text=text, todo="stepwell manage migrate")
    return Finding(name=name, text=f"{connection.display_name}, up to date")


def check_integrity() -> Finding:
    """Check that SQLite's file is whole."""
    name = "integrity"
    if connection.vendor != "sqlite":
        return Finding(name=name, text=f"{connection.display_name} looks after itself")
    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA quick_check(1)")
            said = cursor.fetchone()[0]
    except Error as exc:
        said = str(exc)
    if said != "ok":
        return Finding(name=name, level=FAIL, text=f"the database file is damaged: {said}", todo=_RESTORE)
    return Finding(name=name, text="the database file is whole")


def check_clock() -> Finding:
    """Check that the database's clock and this machine's agree."""
    InstanceSettings.load()
    now = InstanceSettings.objects.values_list(Value(0.0, output_field=FloatField()) + DbNow(), flat=True)[0]
    apart = abs(time.time() - now)
    if apart > _CLOCK_SECONDS:
        text = f"this machine and the database are {format_duration(apart)} apart"
        return Finding(name="clock", level=WARN, text=text, todo="Let both keep time by NTP: durations are wrong.")
    return Finding(name="clock", text="the database's agrees with this machine's")


def check_keyring() -> Finding:
    """Check that everything that is stored encrypted can be opened."""
    name = "key ring"
    todo = "Put the file keyring of the data folder back from a backup, or enter these values again."
    try:
        known = {key.id for key in keyring.load()}
        closed = vault.unreadable()
    except StepwellError as exc:
        return Finding(name=name, level=FAIL, text=exc.message, todo=exc.hint)
    if lost := sorted({key for _, key in closed} - known):
        return Finding(name=name, level=FAIL, text=f"lacks the keys {', '.join(lost)} that values need", todo=todo)
    if closed:
        text = f"does not open {', '.join(sorted({what for what, _ in closed})[:5])}"
        return Finding(name=name, level=FAIL, text=text, todo=todo)
    keys = "1 key" if len(known) == 1 else f"{len(known)} keys"
    return Finding(name=name, text=keys if known else "the first secret makes it")


def check_admin() -> Finding:
    """Check that somebody can administer the instance."""
    n_admins = User.objects.filter(role=Role.ADMIN, is_active=True).count()
    if not n_admins:
        todo = "stepwell login-link makes an admin and prints a link."
        return Finding(name="admins", level=FAIL, text="0 active", todo=todo)
    return Finding(name="admins", text=f"{n_admins} active")


def check_runner() -> Finding:
    """Check that a runner showed itself lately."""
    newest = _runners().order_by("-seen_at").first()
    age = time.time() - newest.seen_at if newest else None
    if age is None or age > _RUNNER_SECONDS:
        text = "none runs" if age is None else f"none was seen for {format_duration(age)}"
        return Finding(name="runner", level=FAIL, text=text, todo="Start one: stepwell up, or stepwell runner.")
    return Finding(name="runner", text=f"seen {format_duration(age)} ago")


def check_dead_runners() -> Finding:
    """Look for runners that ended without saying so."""
    old = _runners().filter(seen_at__lt=time.time() - max(_RUNNER_SECONDS, 2 * settings.LEASE_SECONDS))
    gone = [f"{node.host} (pid {node.pid})" for node in old[:5]]
    if gone:
        todo = "Look at these machines. What the runners had was taken over when their leases lapsed."
        if not nodes.living_runners().exists():
            todo = "Look at these machines. What the runners had is taken over when a runner starts."
        return Finding(name="dead runners", level=WARN, text=f"not heard of any more: {', '.join(gone)}", todo=todo)
    return Finding(name="dead runners", text="none")


def _runners():  # type: ignore[no-untyped-def]
    return RunnerNode.objects.filter(kind=RunnerNode.Kind.RUNNER, stopped_at=None, seen_at__gt=0)


def check_queue() -> Finding:
    """Check that no step waits for a runner for long."""
    waiting = Attempt.objects.filter(status=AttemptStatus.QUEUED, step_run__run__script_node_id=None)
    oldest = waiting.order_by("queued_at").first()
    if oldest is None:
        return Finding(name="queue", text="no step waits")
    age = (timezone.now() - oldest.queued_at).total_seconds()
    text = f"{waiting.count()} steps wait, the oldest for {format_duration(age)}"
    if age >= _QUEUE_SECONDS:
        todo = "Start a runner, or raise the step slots on the Settings page."
        return Finding(name="queue", level=FAIL, text=text, todo=todo)
    return Finding(name="queue", text=text)


def check_logs() -> Finding:
    """Look for logs of ended attempts that nobody closed."""
    before = timezone.now() - timedelta(seconds=_SEAL_SECONDS)
    ended = Attempt.objects.filter(log_sealed=False, ended_at__lt=before, ended_at__gt=before - _LATELY)
    attempts = ended.select_related("step_run").order_by("-id")[:_SAMPLE]
    left = [one for one in attempts if log_path(one.step_run.run_id, one.id).exists()]
    if left:
        return Finding(
            name="logs",
            level=WARN,
            text=f"{len(left)} logs of ended attempts were not closed; their last second may be missing",
            todo="Their runner was killed. They can be read; find out what killed it.",
        )
    return Finding(name="logs", text="all of ended attempts are closed")


def check_artifacts() -> Finding:
    """Check of the newest results that their files are there."""
    root = inputs.artifact_root()
    versions = ArtifactVersion.objects.select_related("artifact").order_by("-id")[:_SAMPLE]
    missing = [str(one) for one in versions if "://" not in one.uri and not (root / one.uri).exists()]
    if missing:
        return Finding(
            name="artifacts",
            level=FAIL,
            text=f"{len(missing)} of the newest {len(versions)} have no files: {', '.join(missing[:3])}",
            todo=f"Put {Path(root).name}/ of the data folder back from a backup; steps that need them fail until then.",
        )
    return Finding(name="artifacts", text=f"the newest {len(versions)} have their files")


def check_outbox() -> Finding:
    """Look for hooks and alerts that could not be delivered lately, or wait for long."""
    since = timezone.now() - _LATELY
    dead = {
        "hooks": HookCall.objects.filter(status=HookCall.Status.DEAD, ended_at__gt=since).count(),
        "alerts": Delivery.objects.filter(status=Delivery.Status.DEAD, ended_at__gt=since).count(),
    }
    long_ago = timezone.now() - timedelta(seconds=_OVERDUE_SECONDS)
    overdue = sum(table.due().filter(created_at__lt=long_ago).count() for table in (HookCall, Delivery))
    texts = [f"{count} {what} of the last 7 days were not delivered" for what, count in dead.items() if count]
    if overdue:
        texts.append(f"{overdue} wait for more than an hour")
    if texts:
        todo = "The page Alerts and the steps' panels say why; a runner delivers what waits."
        return Finding(name="outbox", level=WARN, text="; ".join(texts), todo=todo)
    return Finding(name="outbox", text="nothing is left")
