"""Runs, their steps, the attempts at each step, and the ordered story of each run."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from stepwell.core.plan import Overrides, StepOptions
from stepwell.core.status import (
    TERMINAL_RUN,
    TERMINAL_STEP,
    AttemptStatus,
    ExecutionMode,
    RerunScope,
    RunStatus,
    StepKind,
    StepStatus,
    Trigger,
)
from stepwell.kit.models import Row
from stepwell.kit.outbox import OutboxItem
from stepwell.pipelines.models import Pipeline, Snapshot


def _choices(enum: type) -> list[tuple[str, str]]:
    return [(str(member), str(member)) for member in enum]  # type: ignore[attr-defined]


class Counter(models.Model):
    """A gap-free number series, raised inside the transaction that uses the number."""

    name = models.CharField(max_length=32, primary_key=True)
    value = models.PositiveBigIntegerField(default=0)


class Run(Row):
    """One execution of a pipeline."""

    #: counts over the whole instance: people say "run 1842"
    number = models.PositiveBigIntegerField(unique=True)
    name = models.CharField(max_length=255)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.PROTECT, related_name="runs")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="runs")
    status = models.CharField(max_length=16, choices=_choices(RunStatus), default=RunStatus.QUEUED)
    #: why it is in this status, for people; empty when there is nothing to say
    status_reason = models.TextField(blank=True)
    #: plain JSON, as given by the caller and completed from defaults
    parameters = models.JSONField(default=dict)
    #: ``core.plan.Overrides`` as JSON
    overrides = models.JSONField(default=dict)
    execution_mode = models.CharField(max_length=24, default=ExecutionMode.CONTINUE_ON_FAILURE)
    trigger = models.CharField(max_length=16, choices=_choices(Trigger))
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reruns")
    rerun_scope = models.CharField(max_length=8, blank=True, choices=_choices(RerunScope))
    #: with the scope ``steps``: the invocation ids it was asked to run again
    rerun_steps = models.JSONField(default=list)
    #: [{"what": "test_size", "old": 0.2, "new": 0.3}, ...] against the parent, for display
    changes = models.JSONField(default=list)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    actor_name = models.CharField(max_length=150, blank=True)
    tags = models.JSONField(default=list)
    #: what ``log_metadata`` put on the run itself
    metadata = models.JSONField(default=dict)
    warnings = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    #: from start to end; 0 while it has no end, so that lists can be sorted by it
    took_seconds = models.FloatField(default=0)
    #: it failed, and neither a rerun nor a person has settled that
    is_unresolved = models.BooleanField(default=False)
    #: of what made it fail; the same for failures of the same cause
    fingerprint = models.CharField(max_length=64, blank=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)
    #: the seq the next RunEvent gets; raised in the transaction that writes the event
    next_seq = models.PositiveBigIntegerField(default=1)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True, unique=True)
    #: set while a script runs this run itself: no runner takes its steps
    script_node_id = models.UUIDField(null=True, blank=True)
    #: its body runs as a driver, a step of kind ``driver``, whose end is the run's
    is_dynamic = models.BooleanField(default=False)
    #: the call of another run's driver that made this run
    caller = models.ForeignKey(
        "DriverCall", null=True, blank=True, on_delete=models.SET_NULL, related_name="child_runs"
    )
    #: what the pipeline's body returned: a ``core.plan.Binding`` as JSON; None is nothing
    returned = models.JSONField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["status", "-id"], name="run_status"),
            models.Index(fields=["pipeline", "-id"], name="run_pipeline"),
            models.Index(fields=["actor_name", "-id"], name="run_actor"),
            models.Index(fields=["took_seconds", "id"], name="run_took"),
            models.Index(fields=["id"], name="run_unresolved", condition=Q(is_unresolved=True)),
            models.Index(fields=["fingerprint", "-id"], name="run_fingerprint", condition=~Q(fingerprint="")),
        ]

    def __str__(self) -> str:
        return f"{self.pipeline.name} #{self.number}"

    @property
    def is_finished(self) -> bool:
        return self.status in TERMINAL_RUN

    @property
    def parsed_overrides(self) -> Overrides:
        return Overrides.model_validate(self.overrides)


class StepRun(Row):
    """One invocation in a run, with the options it runs with."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    kind = models.CharField(max_length=8, choices=_choices(StepKind), default=StepKind.STEP)
    invocation_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    ordinal = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=16, choices=_choices(StepStatus), default=StepStatus.PENDING)
    #: why it is in this status: "upstream load failed", "cancelled by ana"
    status_reason = models.TextField(blank=True)
    #: ``core.plan.PlannedStep`` as JSON, options as the run asked for them included
    plan = models.JSONField(default=dict)
    cache_key = models.CharField(max_length=64, blank=True, db_index=True)
    #: why it hit or missed
    cache_reason = models.TextField(blank=True)
    #: when a person said that its result may not be reused any more, and who
    cache_expired_at = models.DateTimeField(null=True, blank=True)
    cache_expired_by = models.CharField(max_length=150, blank=True)
    #: for a cached or reused step: the step that made the outputs
    origin_step = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    metadata = models.JSONField(default=dict)
    #: for a step of a dynamic run: the call in its driver that made it; several for one ``map``
    call = models.ForeignKey("DriverCall", null=True, blank=True, on_delete=models.CASCADE, related_name="steps")
    #: its place among the steps of the call, from 0, for ``map`` and ``product``
    map_index = models.PositiveIntegerField(null=True, blank=True)
    #: no more than this many steps of its name run at once in the run
    concurrency = models.PositiveIntegerField(null=True, blank=True)
    #: for its driver: what its last attempt raised, pickled, in base64; empty where a secret is in it
    exception = models.TextField(blank=True)
    #: attempts that spent a retry, and attempts that spent the crash budget
    failures = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    next_attempt_at = models.FloatField(null=True, blank=True, help_text="Seconds since 1970, the database's clock.")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["ordinal", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "invocation_id"], name="invocation_once")]
        indexes: ClassVar = [
            models.Index(fields=["run", "status"], name="step_run_status"),
            models.Index(fields=["next_attempt_at"], name="step_due", condition=Q(status=StepStatus.RETRYING)),
            models.Index(fields=["call", "map_index"], name="step_of_call", condition=Q(call__isnull=False)),
            models.Index(fields=["run", "name", "status"], name="step_limited", condition=Q(concurrency__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.invocation_id

    @property
    def options(self) -> StepOptions:
        return StepOptions.model_validate(self.plan.get("options", {}))

    @property
    def is_finished(self) -> bool:
        return self.status in TERMINAL_STEP


class StepEdge(models.Model):
    """``downstream`` starts only after ``upstream`` is done."""

    upstream = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="downstream_edges")
    downstream = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="upstream_edges")
    #: it is enough that ``upstream`` has ended, whatever became of it
    any_end = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["upstream", "downstream"], name="edge_once")]


class DriverCall(Row):
    """One call that the body of a dynamic pipeline made: the journal from which a driver that died goes on."""

    class Kind(models.TextChoices):
        STEP = "step"
        MAP = "map"
        PRODUCT = "product"
        PIPELINE = "pipeline"
        LOAD = "load"
        WAIT = "wait"

    #: the step of kind ``driver`` whose process runs the body
    driver = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="calls")
    #: counts the calls of the body's own thread from 1
    ordinal = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    #: of the step, pipeline or wait; for a load what is loaded
    name = models.CharField(max_length=255)
    #: of one step, or of a map or product as a whole (its group); of a child run its number
    invocation_id = models.CharField(max_length=255, blank=True)
    #: hex sha256 of what it was called with
    input_hash = models.CharField(max_length=64)
    #: the call as people read it: "train(rate=0.1)"
    label = models.CharField(max_length=500, blank=True)
    #: how many steps it makes
    count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["ordinal"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["driver", "ordinal"], name="call_once")]

    def __str__(self) -> str:
        return f"call {self.ordinal}, {self.label or self.name}"


class Wait(Row):
    """A question a dynamic pipeline waits for; its run is paused while one is open."""

    class Status(models.TextChoices):
        OPEN = "open"
        ANSWERED = "answered"
        TIMED_OUT = "timed_out"
        CANCELLED = "cancelled"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="waits")
    call = models.OneToOneField(DriverCall, on_delete=models.CASCADE, related_name="wait")
    name = models.CharField(max_length=255)
    question = models.TextField(blank=True)
    #: JSON schema (draft 2020-12) of the answer; empty takes any JSON
    schema = models.JSONField(default=dict)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.OPEN)
    #: seconds since 1970 on the database's clock; None waits for ever
    deadline_at = models.FloatField(null=True, blank=True)
    answer = models.JSONField(null=True, blank=True)
    #: user name of who answered
    answered_by = models.CharField(max_length=150, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["run"], name="wait_open", condition=Q(status="open")),
        ]

    def __str__(self) -> str:
        return self.name


class Attempt(Row):
    """One try at a step. A worker owns it while its lease lasts; the fence tells owners apart."""

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=_choices(AttemptStatus), default=AttemptStatus.QUEUED)
    status_reason = models.TextField(blank=True)
    owner_id = models.UUIDField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    #: seconds since 1970 on the database's clock
    lease_until = models.FloatField(null=True, blank=True)
    queued_at = models.DateTimeField(auto_now_add=True)
    #: when it was last rung for, on the database's clock
    rung_at = models.FloatField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True)
    #: {"done": 3, "total": 10, "message": "..."} as the step last said
    progress = models.JSONField(null=True, blank=True)
    host = models.CharField(max_length=255, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    signal = models.IntegerField(null=True, blank=True)
    error_type = models.CharField(max_length=255, blank=True)
    error_message = models.TextField(blank=True)
    error_traceback = models.TextField(blank=True)
    #: "train.py:88, score()"
    error_where = models.CharField(max_length=500, blank=True)
    error_fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
    cpu_seconds = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)
    log_bytes = models.BigIntegerField(default=0)
    log_lines = models.BigIntegerField(default=0)
    log_dropped_bytes = models.BigIntegerField(default=0)
    log_sealed = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["step_run", "number"], name="attempt_once"),
            # The database itself refuses a second live attempt at a step.
            models.UniqueConstraint(
                fields=["step_run"],
                condition=Q(status__in=[AttemptStatus.QUEUED, AttemptStatus.RUNNING]),
                name="one_live_attempt",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["status", "lease_until"],
                name="attempt_live",
                condition=Q(status__in=[AttemptStatus.QUEUED, AttemptStatus.RUNNING]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.step_run.invocation_id} attempt {self.number}"


class HookCall(OutboxItem):
    """A hook that is owed for the end of an attempt. Its id is the event id the hook sees, at every try."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="hook_calls")
    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="hook_calls")
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="hook_calls")
    #: on_end, on_success or on_failure
    hook = models.CharField(max_length=16)
    #: hooks of one attempt run in this order
    ordinal = models.PositiveSmallIntegerField(default=0)
    #: for the hook's process: what the attempt raised, pickled, in base64; empty where a secret is in it
    exception = models.TextField(blank=True, db_default="")

    def __str__(self) -> str:
        return f"{self.hook} of {self.attempt}"


class RunEvent(models.Model):
    """One thing that happened in a run. ``seq`` has no gaps within a run and follows commit order."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=32)
    payload = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar[list[str]] = ["seq"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq")]


class RunnerNode(Row):
    """A process that runs steps: a runner, or a script that runs its own pipeline."""

    class Kind(models.TextChoices):
        RUNNER = "runner"
        SCRIPT = "script"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    #: of the process, as the kernel counts it: with the boot id it tells a reused pid apart
    pid_start = models.CharField(max_length=64, blank=True)
    boot_id = models.CharField(max_length=64, blank=True)
    slots = models.PositiveSmallIntegerField(default=1)
    #: what it was started with: ``{"gpu": "2"}``
    labels = models.JSONField(default=dict)
    started_at = models.DateTimeField(auto_now_add=True)
    #: seconds since 1970 on the database's clock
    seen_at = models.FloatField(default=0)
    stopped_at = models.DateTimeField(null=True, blank=True)
