"""Points at which the fault tests make a process fail; without STEPWELL_FAILPOINT each is one call that does nothing.

``STEPWELL_FAILPOINT=after_claim:kill9@3,commit:execute_then_raise%10`` kills the process that comes to ``after_claim``
as the third one, and loses the answer of every tenth commit. Kinds: ``kill9``, ``kill9tree`` (the runner with all
below it), ``exit1``, ``sleep=2``, ``enospc``, ``raise_db``, ``execute_then_raise`` (only for ``commit``), ``is=value``
(read by ``value``: ``host``, and ``clock``, a file with seconds). With ``STEPWELL_FAILPOINT_COUNTS=folder`` all
processes count together.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "STEPWELL_FAILPOINT"
COUNTS_VARIABLE = "STEPWELL_FAILPOINT_COUNTS"

#: what ``raise_db`` raises; the layer that has a database puts its own error here
database_error: type[Exception] = ConnectionError


@dataclass(slots=True)
class _Rule:
    point: str
    kind: str
    argument: str
    #: fires at this hit only; 0: at all
    nth: int = 0
    #: fires at this share of hits
    percent: int = 0
    hits: int = 0


def _parse(text: str) -> dict[str, _Rule]:
    rules = {}
    for part in filter(None, text.split(",")):
        point, _, rest = part.partition(":")
        rest, _, percent = rest.partition("%")
        rest, _, nth = rest.partition("@")
        kind, _, argument = rest.partition("=")
        rules[point] = _Rule(point, kind, argument, nth=int(nth or 0), percent=int(percent or 0))
    return rules


_rules = _parse(os.environ.get("STEPWELL_FAILPOINT", ""))
_counts = os.environ.get("STEPWELL_FAILPOINT_COUNTS", "")


def hit(point: str) -> None:
    """Fail here if asked to."""
    if _rules and (rule := _rules.get(point)) and fires(point):
        _fail(rule)


def value(point: str, default: str) -> str:
    """Return what ``point:is=value`` says."""
    rule = _rules.get(point) if _rules else None
    return rule.argument if rule and rule.kind == "is" else default


def is_armed(point: str) -> str:
    """Return the kind of failure asked for at a point, or nothing."""
    rule = _rules.get(point) if _rules else None
    return rule.kind if rule else ""


def fires(point: str) -> bool:
    """Count a hit; return whether this one is to fail."""
    rule = _rules[point]
    rule.hits = _count_together(point) if _counts else rule.hits + 1
    if rule.percent:
        return random.Random(f"{point}{os.getpid()}{rule.hits}").random() * 100 < rule.percent  # noqa: S311
    return rule.nth in (0, rule.hits)


def _count_together(point: str) -> int:
    descriptor = os.open(Path(_counts) / point, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, b".")
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _fail(rule: _Rule) -> None:
    match rule.kind:
        case "kill9":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill9tree":
            _kill_everything()
        case "exit1":
            os._exit(1)
        case "sleep":
            time.sleep(float(rule.argument))
        case "enospc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "raise_db":
            raise database_error(f"The fail-point {rule.point} was hit.")


def _kill_everything() -> None:
    # No import from above: the runner is the highest parent that is ours.
    top, pid = os.getpid(), os.getpid()
    while pid > 1:
        if b"stepwell" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            top = pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    below = [top]
    for parent in below:
        for task in Path(f"/proc/{parent}/task").iterdir():
            below += [int(child) for child in (task / "children").read_text().split()]
    below.remove(os.getpid())
    for other in below:
        os.kill(other, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
