"""What the live tests put into the server's database, called by a hand (another process) or in the test itself."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import transaction
from django.utils import timezone

from stepwell.accounts.models import User
from stepwell.core.ids import new_id
from stepwell.core.status import AttemptStatus, RunStatus, StepStatus, Trigger
from stepwell.engine.logfile import LogWriter
from stepwell.execution.actions import next_run_number
from stepwell.pipelines.models import Pipeline, Snapshot
from stepwell.runs import events
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run, StepRun

_logs: dict[str, LogWriter] = {}


def sign_in(*, name: str = "", role: str = "viewer") -> dict[str, str]:
    """Make a person with a session; return the person's name and the session's key."""
    user = User.objects.create_user(username=name or f"person-{new_id()}", password=None, role=role)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return {"name": user.username, "session": session.session_key}


def switch_off(*, name: str) -> None:
    User.objects.filter(username=name).update(is_active=False)


def end_session(*, session: str) -> None:
    import_module(settings.SESSION_ENGINE).SessionStore(session).delete()


def make_run() -> dict[str, str]:
    """Make a running run of one running step with one attempt; return the three ids."""
    with transaction.atomic():
        pipeline, _ = Pipeline.objects.get_or_create(name="live", slug="live")
        snapshot, _ = Snapshot.objects.get_or_create(pipeline=pipeline, number=1, defaults={"spec": {}})
        number = next_run_number()
        run = Run.objects.create(
            number=number,
            name=f"live-{number}",
            pipeline=pipeline,
            snapshot=snapshot,
            status=RunStatus.RUNNING,
            trigger=Trigger.API,
        )
        step = StepRun.objects.create(run=run, invocation_id="train", name="train", status=StepStatus.RUNNING)
        attempt = Attempt.objects.create(step_run=step, number=1, status=AttemptStatus.RUNNING)
        events.record(run.id, "run.status", {"status": "running"})
    return {"run": str(run.id), "step": str(step.id), "attempt": str(attempt.id)}


def number_of(*, run: str) -> int:
    return Run.objects.values_list("number", flat=True).get(id=run)


def tell(*, run: str, numbers: list[int], each: float = 0.0) -> int:
    """Record one event per number, each in a transaction of its own; return the last seq."""
    last = 0
    for number in numbers:
        with transaction.atomic():
            events.record(UUID(run), "note", {"number": number, "written_at": time.time()})
            last = Run.objects.values_list("next_seq", flat=True).get(id=run) - 1
        time.sleep(each)
    return last


def tell_many(*, run: str, n: int) -> int:
    """Record ``n`` events at once."""
    with events.one_transaction():
        for number in range(n):
            events.record(UUID(run), "note", {"number": number})
    return Run.objects.values_list("next_seq", flat=True).get(id=run) - 1


def set_status(*, run: str, status: str) -> None:
    with transaction.atomic():
        Run.objects.filter(id=run).update(status=status)
        events.record(UUID(run), "run.status", {"status": status})


def beat(*, attempt: str, progress: dict[str, Any] | None = None) -> None:
    Attempt.objects.filter(id=attempt).update(beat_at=timezone.now(), progress=progress)


def print_lines(*, run: str, attempt: str, text: str) -> int:
    """Append text to the attempt's log; return how many bytes the log has."""
    if attempt not in _logs:
        _logs[attempt] = LogWriter(log_path(UUID(run), UUID(attempt)), cap_bytes=64 * 1024 * 1024)
    _logs[attempt].write(text.encode())
    _logs[attempt].flush()
    return _logs[attempt].n_bytes


def close_log(*, attempt: str) -> None:
    """Store what the attempt's log still keeps and close its files."""
    if writer := _logs.pop(attempt, None):
        writer.seal()
