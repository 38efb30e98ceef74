"""The processes that run steps, as rows: who is there, since when, and whether it still lives."""

from __future__ import annotations

import os
import socket
from uuid import UUID

from django.utils import timezone

from stepwell.engine import trees
from stepwell.kit.models import DbNow
from stepwell.runs.models import RunnerNode


def host_name() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def register(kind: str, *, slots: int) -> RunnerNode:
    """Store this process as a node."""
    node = RunnerNode.objects.create(
        kind=kind,
        host=host_name(),
        pid=os.getpid(),
        pid_start=str(trees.process_start(os.getpid())),
        boot_id=trees.boot_id(),
        slots=slots,
    )
    seen(node.id)
    return node


def seen(node_id: UUID, *, slots: int | None = None) -> None:
    """Store that the node lives."""
    changes = {} if slots is None else {"slots": slots}
    RunnerNode.objects.filter(id=node_id).update(seen_at=DbNow(), **changes)


def stopped(node_id: UUID) -> None:
    """Store that the node stopped by itself."""
    RunnerNode.objects.filter(id=node_id).update(stopped_at=timezone.now())


def is_alive(node: RunnerNode) -> bool:
    """Return whether the node's process runs on this host; the boot id and start time tell a reused pid apart."""
    return node.boot_id == trees.boot_id() and str(trees.process_start(node.pid)) == node.pid_start
