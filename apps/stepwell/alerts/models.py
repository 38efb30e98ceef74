"""Alert rules, and the deliveries that follow from them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from stepwell.kit.models import Row
from stepwell.kit.outbox import OutboxItem
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run
from stepwell.vault.models import SealedText


class Event(models.TextChoices):
    """What an alert may be about."""

    FAILED = "failed", "Run failed"
    #: the first run of a pipeline that completes after one that failed
    RECOVERED = "recovered", "Run recovered"
    WAITING = "waiting", "Run waits for an answer"
    #: however it ended
    WATCHED = "watched", "Run ended for which somebody pressed “Notify me”"
    TEST = "test", "Test"


class AlertRule(Row):
    """Who is told, of which events of which runs. Where it is told is sealed: such addresses hold passwords."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        #: an address of the library apprise: e-mail and chat
        APPRISE = "apprise", "E-mail or chat"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    #: {"url": ..., "secret": ... of a webhook} as JSON
    destination = models.OneToOneField(SealedText, on_delete=models.PROTECT, related_name="+")
    #: what pages show of the address: scheme and host
    shown = models.CharField(max_length=255)
    #: None: all pipelines
    pipeline = models.ForeignKey(Pipeline, null=True, blank=True, on_delete=models.CASCADE, related_name="alert_rules")
    on_failed = models.BooleanField(default=True)
    on_recovered = models.BooleanField(default=True)
    on_waiting = models.BooleanField(default=False)
    on_watched = models.BooleanField(default=False, db_default=False)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class Delivery(OutboxItem):
    """One alert to one address. Its id is the event id that the other side sees, at every try."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="deliveries")
    #: None: a test
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts")
    event = models.CharField(max_length=16, choices=Event.choices)
    #: what is sent, as it was when it happened
    payload = models.JSONField(default=dict)
    #: HTTP status of the latest answer
    answered = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="delivery_open", condition=Q(status="open")),
            models.Index(fields=["rule", "-id"], name="delivery_of_rule"),
        ]
