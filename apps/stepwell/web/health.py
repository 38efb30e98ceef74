"""What machines ask: is the web server alive, and can the instance work."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from stepwell.execution import disk
from stepwell.kit.schema import missing_migrations
from stepwell.runs.models import RunnerNode
from stepwell.vault import queries as vault
from stepwell.web.access import public

log = logging.getLogger(__name__)
_LEAST_FREE_BYTES = 100 * 1024 * 1024
#: a runner shows itself every few seconds
_RUNNER_SECONDS = 60
_PLAIN = {"content_type": "text/plain; charset=utf-8", "headers": {"Cache-Control": "no-store"}}


@require_safe
@public
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer ``ok`` while the server does; it asks nothing else, so that a slow database does not end the process."""
    return HttpResponse("ok\n", **_PLAIN)


@require_safe
@public
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when database, schema, key ring and disk are fit for work, else 503; one line for each.

    A runner that is missing is told, but pages work without one.
    """
    lines = {name: _passes(name, check) for name, check in _CHECKS.items()}
    text = "".join(f"{name} {'ok' if is_fit else 'fail'}\n" for name, is_fit in lines.items())
    runner = "ok" if lines["database"] and _passes("runner", _has_runner) else "late"
    return HttpResponse(f"{text}runner {runner}\n", status=200 if all(lines.values()) else 503, **_PLAIN)


def _passes(name: str, check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:
        # Whatever is wrong there is what this page is asked for; the log says what.
        log.warning("Not ready: %s", name, exc_info=True)
        return False


def _answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _fits() -> bool:
    return not missing_migrations()


def _has_keys() -> bool:
    if closed := vault.closed_keys():
        log.warning("Not ready: the key ring does not open what is stored (keys %s).", ", ".join(closed))
    return not closed


def _has_room() -> bool:
    return not disk.fault() and shutil.disk_usage(Path(settings.HOME)).free >= _LEAST_FREE_BYTES


def _has_runner() -> bool:
    nodes = RunnerNode.objects.filter(kind=RunnerNode.Kind.RUNNER, stopped_at=None)
    return nodes.filter(seen_at__gt=time.time() - _RUNNER_SECONDS).exists()


_CHECKS = {"database": _answers, "schema": _fits, "keyring": _has_keys, "disk": _has_room}

urlpatterns = [path("healthz", healthz, name="healthz"), path("readyz", readyz, name="readyz")]
