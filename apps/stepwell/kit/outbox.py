"""What must be told to somebody outside after it is stored: rows written with the fact, taken, tried again, ended."""

from __future__ import annotations

from typing import ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from stepwell.kit.models import DbNow, Row


class OutboxItem(Row):
    """One thing to tell. An open item is to be had once ``due_at`` has come; taking it moves that into the future."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        #: it was told, and all was well
        DONE = "done", "Delivered"
        #: it was told, and the other side said no
        FAILED = "failed", "Failed"
        #: it could not be told, and is not tried again
        DEAD = "dead", "Not delivered"

    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    #: seconds since 1970 on the database's clock
    due_at = models.FloatField(default=0)
    #: how often it was taken; also the fence of whoever took it
    tries = models.PositiveIntegerField(default=0)
    #: the node that took it
    owner_id = models.UUIDField(null=True, blank=True)
    #: what was wrong at the latest try; an open item that has one waits for its next
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="%(class)s_open", condition=Q(status="open")),
        ]

    @classmethod
    def due(cls) -> QuerySet[Self]:
        """Return the open items whose time has come."""
        return cls._default_manager.filter(status=cls.Status.OPEN, due_at__lte=DbNow()).order_by("due_at", "id")

    def take(self, *, owner_id: UUID | None, seconds: float) -> bool:
        """Make the item this caller's for ``seconds``; return False when somebody else was faster."""
        taken = self._mine().update(owner_id=owner_id, tries=self.tries + 1, due_at=DbNow() + seconds, error="")
        if taken:
            self.tries, self.owner_id, self.error = self.tries + 1, owner_id, ""
        return bool(taken)

    def end(self, status: str, *, error: str = "") -> bool:
        """Store how it ended; return False when somebody else has it now, or it has ended."""
        return bool(self._mine().update(status=status, error=error[:2000], ended_at=timezone.now()))

    def retry(self, *, seconds: float, error: str) -> bool:
        """Let it be taken again in ``seconds``; return False when somebody else has it now."""
        return bool(self._mine().update(due_at=DbNow() + seconds, error=error[:2000]))

    def _mine(self) -> QuerySet[Self]:
        return type(self)._default_manager.filter(id=self.id, status=self.Status.OPEN, tries=self.tries)
