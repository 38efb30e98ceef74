"""How the instance itself does, for admins: what is wrong and what to do, its versions, room, and this web process."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import django
import psutil
from django.conf import settings
from django.db import connection
from django.db.models import Count, Sum
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role, User
from stepwell.artifacts.models import ArtifactVersion
from stepwell.execution import disk, doctor, inputs
from stepwell.kit import gauges, machine
from stepwell.kit.findings import FAIL, OK, Finding
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Attempt, Run, StepRun
from stepwell.web import present
from stepwell.web.access import needs
from stepwell.web.request import WebRequest

#: what a finding's level is called and coloured by
_LEVELS = {"ok": "completed", "warn": "warning", "fail": "failed"}
#: the files of an SQLite database
_SQLITE_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One kind of thing the instance keeps."""

    what: str
    #: ``312 attempts``
    number: str
    #: ``4.1 MiB``; empty where it is part of the database
    size: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A disk the instance writes to."""

    folders: str
    free: str
    total: str
    percent_used: int
    #: what is kept free: below it no step is started
    reserve: str


@require_safe
@needs(Role.ADMIN)
def system(request: WebRequest) -> HttpResponse:
    """Show the findings of every quick check, and the numbers of the instance."""
    findings = sorted(_findings(), key=lambda one: list(_LEVELS).index(one.level), reverse=True)
    context = {
        "findings": [(one, _LEVELS[one.level]) for one in findings],
        "n_wrong": sum(one.level != OK for one in findings),
        "is_failing": any(one.level == FAIL for one in findings),
        "versions": _versions(),
        "stored": _stored(),
        "rooms": _rooms(),
        "process": _process(),
    }
    return render(request, "help/system.html", context)


def _findings() -> Iterator[Finding]:
    home = Path(settings.HOME)
    yield machine.check_program()
    yield machine.check_folder(lambda: home)
    yield machine.check_file_system(home)
    yield from doctor.check_all(is_thorough=False)


def _versions() -> list[tuple[str, str]]:
    here = platform.uname()
    return [
        ("Stepwell", machine.version()),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("Database", f"{connection.display_name} {'.'.join(map(str, _database_version()))}"),
        ("System", f"{here.system} {here.release}, {here.machine}"),
        ("Host", here.node),
        ("Data folder", str(settings.HOME)),
    ]


def _database_version() -> tuple[int, ...]:
    if connection.vendor == "postgresql":
        return divmod(connection.pg_version, 10_000)
    return connection.Database.sqlite_version_info


def _stored() -> list[Stored]:
    logs = Attempt.objects.aggregate(n=Count("id"), size=Sum("log_bytes"))
    results = ArtifactVersion.objects.aggregate(n=Count("id"), size=Sum("size"))
    rows = {"Pipelines": Pipeline, "Runs": Run, "Steps": StepRun, "People": User}
    return [
        Stored(what="Database", number="", size=present.size(_database_bytes())),
        Stored(what="Logs", number=present.count(logs["n"], "attempt"), size=present.size(logs["size"] or 0)),
        Stored(what="Results", number=present.count(results["n"], "version"), size=present.size(results["size"] or 0)),
        *(Stored(what=what, number=f"{table.objects.count():,}") for what, table in rows.items()),
    ]


def _database_bytes() -> int:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    files = (Path(f"{connection.settings_dict['NAME']}{end}") for end in _SQLITE_FILES)
    return sum(file.stat().st_size for file in files if file.exists())


def _rooms() -> list[Room]:
    """Return each disk once, by the folders of ours that are on it."""
    on_disk: dict[int, list[Path]] = {}
    for folder in (Path(settings.HOME), inputs.artifact_root()):
        if folder.exists():
            on_disk.setdefault(folder.stat().st_dev, []).append(folder)
    return [_room(folders) for folders in on_disk.values()]


def _room(folders: list[Path]) -> Room:
    usage = shutil.disk_usage(folders[0])
    outermost = [one for one in folders if not any(one.is_relative_to(other) for other in folders if other != one)]
    return Room(
        folders=", ".join(map(str, outermost)),
        free=present.size(usage.free),
        total=present.size(usage.total),
        percent_used=round(100 * (1 - usage.free / usage.total)) if usage.total else 0,
        reserve=present.size(int(disk.reserve(usage.total))),
    )


def _process() -> dict[str, object]:
    process = psutil.Process()
    with process.oneshot():
        return {
            "pid": process.pid,
            "since": present.moment(datetime.fromtimestamp(process.create_time(), UTC)),
            "memory": present.size(process.memory_info().rss),
            "sockets": int(gauges.values.get("sockets", 0)),
            "topics": int(gauges.values.get("hub_topics", 0)),
        }


urlpatterns = [path("system/", system, name="system")]
