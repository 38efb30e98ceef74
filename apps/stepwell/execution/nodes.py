"""The processes that run steps, as rows: who is there, since when, and whether it still lives."""

from __future__ import annotations

import os
import socket
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from stepwell.core import failpoints
from stepwell.engine import trees
from stepwell.kit.models import DbNow
from stepwell.runs.models import RunnerNode


def host_name() -> str:
    """Return this machine's name."""
    return failpoints.value("host", socket.gethostname())


def register(kind: str, *, slots: int, labels: dict[str, str] | None = None) -> RunnerNode:
    """Store this process as a node; again, when the first answer was lost, changes nothing."""
    me = trees.identify(os.getpid())
    assert me is not None
    node, _ = RunnerNode.objects.get_or_create(
        kind=kind,
        host=host_name(),
        pid=me.pid,
        pid_start=str(me.start_time),
        boot_id=me.boot_id,
        stopped_at=None,
        defaults={"slots": slots, "labels": labels or {}},
    )
    seen(node.id)
    return node


def seen(node_id: UUID, *, slots: int | None = None) -> None:
    """Store that the node lives."""
    changes = {} if slots is None else {"slots": slots}
    RunnerNode.objects.filter(id=node_id).update(seen_at=DbNow(), **changes)


def living() -> QuerySet[RunnerNode]:
    """Return the runners and scripts that did not stop and said lately that they live."""
    lately = DbNow() - (settings.LEASE_SECONDS + 2 * settings.SWEEP_SECONDS)
    return RunnerNode.objects.filter(stopped_at=None, seen_at__gte=lately)


def living_runners() -> QuerySet[RunnerNode]:
    """Return the runners among them."""
    return living().filter(kind=RunnerNode.Kind.RUNNER)


def first_at_work() -> RunnerNode | None:
    """Return one that lives, or may live for all this machine can see."""
    here = set(of_this_machine().values_list("id", flat=True))
    return next((node for node in living() if node.id not in here or is_alive(node)), None)


def stopped(node_id: UUID) -> None:
    """Store that the node stopped by itself."""
    RunnerNode.objects.filter(id=node_id).update(stopped_at=timezone.now())


def of_this_machine() -> QuerySet[RunnerNode]:
    """Return the nodes whose processes we would see if they lived.

    Names of machines are not unique: clones, containers and a machine before and after its restart share one.
    """
    return RunnerNode.objects.filter(host=host_name(), boot_id=trees.boot_id())


def is_alive(node: RunnerNode) -> bool:
    """Return whether the node's process runs; ask only of a node whose process table is ours."""
    if not node.pid_start.isdecimal():
        return False
    process = trees.ProcessIdentity(pid=node.pid, start_time=int(node.pid_start), boot_id=node.boot_id)
    return trees.is_alive(process)
