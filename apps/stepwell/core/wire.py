"""What the API takes and gives: one set of types for the server and for clients.

Requests refuse keys they do not know. Times are RFC 3339 in UTC; sizes are bytes; durations are seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from unicodedata import category
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from stepwell.core.plan import Overrides, StepOptions, StepOverride, Wire
from stepwell.core.status import RerunCode, RerunScope, RunStatus, Trigger

#: the most rows one page of a list holds
PAGE_LIMIT = 200
#: the most log one answer holds, in bytes
LOG_LIMIT = 1024 * 1024
LOG_DEFAULT = 64 * 1024


def _as_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("The time is out of range.") from None


Moment = Annotated[datetime, AfterValidator(_as_utc)]


def _in_one_line(text: str) -> str:
    if any(category(char) in {"Cc", "Cs"} for char in text):
        raise ValueError("Control characters, such as tabs and line breaks, have no place in it.")
    return text


Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_in_one_line)
]
RunName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Limit = Annotated[int, Field(ge=1, le=PAGE_LIMIT)]


class Answer(BaseModel):
    """Base of what the API gives."""

    model_config = ConfigDict(from_attributes=True, defer_build=True)


class ErrorAnswer(Answer):
    """Every error has this shape; ``fields`` names what is wrong with each value of the request."""

    code: str
    message: str
    hint: str = ""
    request_id: str
    fields: dict[str, str] | None = None


# Requests


class RunFilters(Wire):
    """Which runs to list, newest first. A filter that is left out lets everything through."""

    status: list[RunStatus] = Field(default=[], max_length=20)
    #: name, slug or id of a pipeline
    pipeline: str | None = Field(default=None, max_length=255)
    trigger: list[Trigger] = Field(default=[], max_length=20)
    #: runs made at this time or later
    since: Moment | None = None
    #: ``next_cursor`` of the page before
    cursor: UUID | None = None
    limit: Limit = 50


class PipelineFilters(Wire):
    #: ``next_cursor`` of the page before
    cursor: str | None = Field(default=None, max_length=255)
    limit: Limit = 50


class EventFilters(Wire):
    #: events with a higher ``seq`` than this
    after: int = Field(default=0, ge=0, lt=2**63)
    limit: Limit = PAGE_LIMIT


class LogRange(Wire):
    #: where to begin, in bytes
    offset: int = Field(default=0, ge=0, lt=2**63)
    #: how much to read at most, in bytes
    limit: int = Field(default=LOG_DEFAULT, ge=16, le=LOG_LIMIT)


class StartRun(Wire):
    """A run to start. Parameters that are left out take the pipeline's defaults."""

    parameters: dict[str, Any] = Field(default={})
    #: options to change for this run, by the step's invocation id
    steps: dict[str, StepOverride] = Field(default={}, max_length=10_000)
    name: RunName | None = None
    tags: list[Tag] = Field(default=[], max_length=50)

    @property
    def overrides(self) -> Overrides:
        return Overrides(steps=self.steps)


class Rerun(Wire):
    """A run to repeat: whole, from where it failed, or from chosen steps on."""

    scope: RerunScope = RerunScope.WHOLE
    #: with the scope ``steps``: the invocation ids that run again, with all below them
    from_steps: list[str] = Field(default=[], max_length=10_000)
    #: ``newest`` takes the latest code of the pipeline that was kept
    code: RerunCode = RerunCode.AS_RUN
    #: None: the same as before
    parameters: dict[str, Any] | None = None
    #: None: the same as before
    steps: dict[str, StepOverride] | None = Field(default=None, max_length=10_000)

    @property
    def overrides(self) -> Overrides | None:
        return None if self.steps is None else Overrides(steps=self.steps)


class ComponentFilters(Wire):
    kind: Literal["artifact_store", "step_operator", "experiment_tracker"] | None = None


class NewComponent(Wire):
    """A component to add. ``config`` is what its flavor takes; secrets are named, ``{{secret.key}}``."""

    kind: Literal["step_operator", "experiment_tracker"]
    flavor: str = Field(max_length=50)
    name: str = Field(max_length=100)
    config: dict[str, Any] = Field(default_factory=dict)
    default: bool = False


class ComponentChange(Wire):
    """What to change; what is left out stays. A ``config`` replaces the whole of the old one."""

    config: dict[str, Any] | None = None
    #: a default ends by making another one the default
    default: Literal[True] | None = None


# Answers


class PipelineSummary(Answer):
    id: UUID
    name: str
    slug: str
    docstring: str
    created_at: datetime
    #: number of the newest registered code; None when there is none
    code: int | None
    #: False: its code was not kept (typed into a shell), so only a script can run it
    can_run: bool


class PipelineStep(Answer):
    invocation_id: str
    name: str
    upstream: list[str]


class PipelineDetail(PipelineSummary):
    #: JSON schema of the parameters a run takes
    parameters_schema: dict[str, Any]
    #: the steps with default parameters; empty when they are known only once it runs
    steps: list[PipelineStep]
    dynamic: bool
    source_code: str
    git_commit: str


class PipelinePage(Answer):
    items: list[PipelineSummary]
    next_cursor: str | None


class RunSummary(Answer):
    id: UUID
    #: counts over the whole instance
    number: int
    name: str
    #: the pipeline's name
    pipeline: str
    pipeline_slug: str
    status: RunStatus
    status_reason: str
    trigger: Trigger
    actor: str
    tags: list[str]
    #: the run this one repeats
    parent_id: UUID | None
    rerun_scope: str
    #: with the scope ``steps``: where it began
    rerun_steps: list[str]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RunDetail(RunSummary):
    parameters: dict[str, Any]
    overrides: dict[str, Any]
    #: what differs from the parent: [{"what", "old", "new"}]
    changes: list[Any]
    warnings: list[Any]
    metadata: dict[str, Any]
    execution_mode: str
    #: its body runs as a driver and calls the steps; see /runs/{ref}/calls
    dynamic: bool
    #: the run whose body called this one
    called_by: UUID | None
    #: number of the registered code it runs
    code: int
    cancel_requested_at: datetime | None
    cancel_requested_by: str
    #: ``seq`` of its newest event
    latest_event: int


class RunPage(Answer):
    items: list[RunSummary]
    next_cursor: UUID | None


class AttemptDetail(Answer):
    id: UUID
    number: int
    status: str
    status_reason: str
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    beat_at: datetime | None
    progress: dict[str, Any] | None
    host: str
    exit_code: int | None
    signal: int | None
    error_type: str
    error_message: str
    error_traceback: str
    error_where: str
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    log_bytes: int
    log_lines: int
    log_sealed: bool


class TrackedRun(Answer):
    """A step's run in an experiment tracker."""

    #: the component's name
    tracker: str
    flavor: str
    experiment: str
    run_id: str
    #: the tracker's address, database or folder, without a login
    place: str
    #: its page in the tracker; empty when that has none
    url: str


class StepDetail(Answer):
    id: UUID
    run_id: UUID
    invocation_id: str
    name: str
    kind: str
    status: str
    status_reason: str
    upstream: list[str]
    options: StepOptions
    cache_reason: str
    metadata: dict[str, Any]
    tracked_run: TrackedRun | None
    #: of a dynamic run: ordinal of the call that made it, and its place in a map
    call: int | None
    map_index: int | None
    next_attempt_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    attempts: list[AttemptDetail]


class StepList(Answer):
    items: list[StepDetail]


class Event(Answer):
    seq: int
    kind: str
    at: datetime
    payload: dict[str, Any]


class EventPage(Answer):
    items: list[Event]
    #: pass it as ``after`` to go on
    latest: int


class LogPart(Answer):
    """Bytes ``from`` to ``to`` of a log that has ``size`` bytes so far; nothing follows once it is ``sealed``."""

    model_config = ConfigDict(populate_by_name=True)

    from_: int = Field(serialization_alias="from", validation_alias="from")
    to: int
    size: int
    text: str
    sealed: bool


class ArtifactDetail(Answer):
    direction: str
    #: the input's or output's name
    name: str
    id: UUID
    artifact: str
    version: str
    type: str
    size: int
    sha256: str
    metadata: dict[str, Any]
    tags: list[str]
    created_at: datetime


class ArtifactList(Answer):
    items: list[ArtifactDetail]


class ComponentDetail(Answer):
    """A component. ``id`` is null for what is built in and cannot be changed."""

    id: UUID | None
    kind: str
    flavor: str
    name: str
    default: bool
    #: the values of environment variables are shown to operators only
    config: dict[str, Any]


class ComponentList(Answer):
    items: list[ComponentDetail]


class Me(Answer):
    user: str
    #: what the caller may do: the lower one of the person's and the token's role
    role: str
    #: name of the token the call was made with; None for a browser session
    token: str | None
    expires_at: datetime | None
