"""What people keep beside runs: saved views, acts on many runs, acknowledged failures, runs they wait for, notices."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from stepwell.kit.models import Row
from stepwell.runs.models import Run


class SavedView(Row):
    """A list of runs under a name: what its address asks for."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=80)
    #: the query of the list's address, without its question mark and place
    query = models.CharField(max_length=2000, blank=True)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    #: it can be taken back for a while, with everybody's pins
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["owner", "name"], name="view_name_once")]

    def __str__(self) -> str:
        return self.name


class ViewMark(models.Model):
    """What one person made of a view: it stands in their rail, or is what Runs opens with."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="marks")
    is_pinned = models.BooleanField(default=False)
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "view"], name="view_mark_once"),
            models.UniqueConstraint(fields=["user"], condition=Q(is_default=True), name="one_default_view"),
        ]


class BulkJob(Row):
    """One act on many runs, chosen at the moment it was asked for and carried out by a runner."""

    class Act(models.TextChoices):
        RERUN = "rerun", "Rerun"
        RERUN_FAILED = "rerun_failed", "Rerun from what failed"
        CANCEL = "cancel", "Cancel"
        ACKNOWLEDGE = "acknowledge", "Acknowledge"
        TAG = "tag", "Tag"
        UNTAG = "untag", "Take tags off"
        REOPEN = "reopen", "Take acknowledgement back"

    act = models.CharField(max_length=16, choices=Act.choices)
    reason = models.CharField(max_length=500)
    #: the query of the list the runs were chosen from; empty when they were ticked one by one
    query = models.CharField(max_length=2000, blank=True)
    total = models.PositiveIntegerField()
    #: of an act on tags: which
    tags = models.JSONField(null=True, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar = [models.Index(fields=["id"], name="bulk_open", condition=Q(ended_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.get_act_display()}: {self.total:,} runs"


class BulkItem(Row):
    """One run of a bulk job, and what came of it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        REFUSED = "refused"

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="items")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    #: why it was refused
    problem = models.CharField(max_length=500, blank=True)
    #: of an act on tags: those to change when they are not the job's; once it is done, those that changed
    tags = models.JSONField(null=True, blank=True)
    #: the run a rerun made
    made = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "run"], name="bulk_item_once")]
        indexes: ClassVar = [models.Index(fields=["job", "state", "id"], name="bulk_item_state")]


class Acknowledgement(Row):
    """Somebody saw that a run failed, and says so."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="acknowledgement")
    note = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(auto_now_add=True)


class Watch(models.Model):
    """A person wants to hear when a run ends."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="watches")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "run"], name="watch_once")]


class Notice(models.Model):
    """One line of a person's inbox."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    #: a status that says how it looks: completed, failed, cancelled
    status = models.CharField(max_length=16)
    text = models.CharField(max_length=300)
    #: where it leads, on this instance
    path = models.CharField(max_length=300)
    at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["user"], name="notice_unread", condition=Q(read_at__isnull=True)),
            models.Index(fields=["user", "-id"], name="notice_of"),
        ]
