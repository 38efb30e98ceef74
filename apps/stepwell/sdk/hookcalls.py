"""Running a step's hooks: what they print is in the log, what they do wrong never changes the outcome."""

from __future__ import annotations

import inspect
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from stepwell.core import failpoints
from stepwell.sdk import errorinfo

#: one hook may take this long; a little less than the supervisor's limit, after which the hooks that follow are lost
HOOK_SECONDS = 9.5
_SHARE = 0.95


class HookTimeout(BaseException):
    """A hook took too long. Not an Exception, so that the hook's own ``except`` does not swallow it."""


def call_hook(name: str, work: Callable[[], Any], *, limit: float | None = None) -> dict[str, Any]:
    """Run one hook and return its ``hook`` frame.

    Args:
        name: what it is called.
        work: finds the hook and calls it with its arguments.
        limit: the supervisor's limit in seconds.
    """
    failpoints.hit("before_hook")
    began = time.monotonic()
    error = ""
    most = HOOK_SECONDS if limit is None else limit * _SHARE
    try:
        with _limit(most):
            failpoints.hit("mid_hook")
            finish(work())
    except HookTimeout:
        error = f"It was stopped after {most:g} seconds."
    except BaseException as failure:  # user code; even sys.exit() in a hook is only that hook's failure
        found = errorinfo.describe(failure)
        error = f"{found['type']}: {found['message']}"[:1000]
        _log(found["traceback"])
    if error:
        _log(f"The hook {name} failed. {error}\n")
    failpoints.hit("after_hook")
    seconds = round(time.monotonic() - began, 4)
    return {"t": "hook", "hook": name, "ok": not error, "seconds": seconds, "error": error}


def _log(text: str) -> None:
    with suppress(Exception):  # user code may have closed it
        sys.stderr.write(text)


def finish(result: Any) -> Any:
    """Return what a hook returned; of an ``async def`` what it comes to."""
    if not inspect.iscoroutine(result):
        return result
    import asyncio

    return asyncio.run(result)


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise HookTimeout

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
