"""The head of a run's pages: what it is, how it stands, what a person may do with it, what broke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, OuterRef, Subquery, Value
from django.urls import reverse

from stepwell.accounts.models import Role, User
from stepwell.artifacts.models import StepArtifact
from stepwell.core.durations import format_duration
from stepwell.core.status import RerunScope, RunStatus, StepStatus
from stepwell.runs.models import Attempt, Run
from stepwell.web import present
from stepwell.web.run_rows import Segment, segments, step_counts
from stepwell.web.schedule_rows import schedule_of
from stepwell.web.usual import usual_seconds
from stepwell.web.waits import WaitRow, open_waits

#: shown before the title of the browser's tab
_MARKS = {
    "queued": "○",
    "running": "◐",
    "paused": "⏸",
    "cancelling": "◐",
    "completed": "✓",
    "failed": "✗",
    "cancelled": "⊘",
}
_SCOPES = {"failed": "from what failed", "whole": "everything", "steps": "from chosen steps"}
_RERUNS_SHOWN = 5
#: pages of a run, by the name of their address
_TABS = (
    ("detail", "Overview"),
    ("graph", "Graph"),
    ("timeline", "Timeline"),
    ("artifacts", "Artifacts"),
    ("config", "Config"),
    ("code", "Code"),
    ("events", "Events"),
)
#: step options that are seconds
_SECONDS = (".timeout", ".retry.delay")
#: of a step, without reading the rest of its plan
MAX_RETRIES = F("plan__options__retry__max_retries")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing a rerun changed against its parent."""

    what: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What this person may do with the run now; an empty address means: not."""

    cancel_url: str = ""
    tags_url: str = ""
    rerun_url: str = ""
    rerun_failed_url: str = ""
    #: why nobody can rerun it from here
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Rerun:
    """A run that is a rerun of the one shown."""

    number: int
    url: str
    state: present.State


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHead:
    run: Run
    title: str
    #: the run's name, unless it only repeats pipeline and number
    own_name: str
    url: str
    state: present.State
    created: present.Moment | None
    started: present.Moment | None
    took: present.Span | None
    code: str
    tags: list[str]
    warnings: list[str]
    parent_url: str
    #: the newest runs that are a rerun of it
    reruns: list[Rerun]
    #: (name, address) of the schedule that started it
    schedule: tuple[str, str] | None
    scope: str
    changes: list[Change]
    segments: list[Segment]
    summary: str
    actions: Actions
    tabs: list[Tab]
    #: artifact versions its steps made
    n_artifacts: int
    #: the questions it waits for
    waits: list[WaitRow]
    #: how long a run of the pipeline usually takes; empty when that is not known
    usual: str
    #: the newest event this page knows of
    seq: int


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the pages of a run. ``count``: empty where there is nothing to count."""

    key: str
    label: str
    url: str
    count: str = ""


def run_head(run: Run, user: User) -> RunHead:
    """Return the head of ``run``; one query for its steps."""
    counts = step_counts([run.id])[run.id]
    n_artifacts, reruns = _results_and_reruns(run)
    parts = segments(counts)
    n_steps = sum(counts.values())
    return RunHead(
        run=run,
        title=f"{_MARKS.get(run.status, '')} {run.pipeline.name} #{run.number}".strip(),
        own_name="" if run.name in {"", run.pipeline.name, f"{run.pipeline.name}-{run.number}"} else run.name,
        url=reverse("runs:detail", args=[run.number]),
        state=present.state(run.status),
        created=present.moment(run.created_at),
        started=present.moment(run.started_at),
        took=present.span(run.started_at, run.ended_at),
        code=run.snapshot.label,
        tags=[str(tag) for tag in run.tags],
        warnings=[str(warning) for warning in run.warnings],
        parent_url=reverse("runs:detail", args=[run.parent.number]) if run.parent else "",
        schedule=schedule_of(run),
        scope=_SCOPES.get(run.rerun_scope, ""),
        changes=[change(item) for item in run.changes],
        segments=parts,
        summary=f"{present.count(n_steps, 'step')}: {', '.join(part.phrase for part in parts)}" if parts else "",
        actions=_actions(run, user, counts),
        tabs=_tabs(run, n_artifacts),
        n_artifacts=n_artifacts,
        reruns=reruns,
        waits=open_waits(run) if run.status == RunStatus.PAUSED else [],
        usual=_usual(run),
        seq=run.next_seq - 1,
    )


def change(item: dict[str, Any]) -> Change:
    """Return one entry of ``Run.changes`` or of a preview as text."""
    what = str(item.get("what", ""))
    return Change(what, _option(item.get("old"), what), _option(item.get("new"), what))


def _results_and_reruns(run: Run) -> tuple[int, list[Rerun]]:
    """Return how many artifacts the run made, and the runs that are a rerun of it; one query for both."""
    made = StepArtifact.objects.filter(step_run__run=OuterRef("pk"), direction=StepArtifact.Direction.OUTPUT)
    n_made = made.order_by().values(all=Value(1)).annotate(n=Count("*")).values("n")
    rows = Run.objects.filter(pk=run.pk).annotate(n_made=Subquery(n_made)).order_by("-reruns__id")
    found = list(rows.values_list("n_made", "reruns__number", "reruns__status")[:_RERUNS_SHOWN])
    reruns = [
        Rerun(number, reverse("runs:detail", args=[number]), present.state(status))
        for _, number, status in found
        if number
    ]
    return (found[0][0] or 0) if found else 0, reruns


def _tabs(run: Run, n_artifacts: int) -> list[Tab]:
    """Return the pages of a run in order; the log's is put between them by the page, which knows of which step."""
    counts = {"artifacts": str(n_artifacts) if n_artifacts else ""}
    return [Tab(key, label, reverse(f"runs:{key}", args=[run.number]), counts.get(key, "")) for key, label in _TABS]


def attempts_text(attempt: Attempt | None, max_retries: int | None) -> str:
    """Return ``attempt 2 of 4``; the crash budget may lead beyond what the retries allow."""
    if attempt is None:
        return ""
    return f"attempt {attempt.number} of {max(attempt.number, 1 + (max_retries or 0))}"


def step_url(run: Run, invocation_id: str, attempt: int | None = None, *, part: str = "", page: str = "detail") -> str:
    """Return the address of a page of the run with this step's panel open, on one of its tabs."""
    query = present.query(step=invocation_id, attempt=attempt, tab="" if part == "log" else part)
    return f"{reverse(f'runs:{page}', args=[run.number])}{query}"


def log_url(run: Run, invocation_id: str, attempt: int) -> str:
    """Return the address of the log of one attempt; "" for a name that no address can hold."""
    if "\n" in invocation_id:
        return ""
    return reverse("runs:log", args=[run.number, invocation_id, attempt])


def _usual(run: Run) -> str:
    seconds = usual_seconds([run.pipeline_id]).get(run.pipeline_id)
    return format_duration(seconds) if seconds else ""


def _actions(run: Run, user: User, counts: dict[str, int]) -> Actions:
    if not user.may(Role.OPERATOR):
        return Actions()
    can_cancel = run.status in {RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED}
    cancel_url = reverse("runs:cancellation", args=[run.number]) if can_cancel else ""
    tags_url = reverse("runs:tags", args=[run.number])
    if not run.snapshot.can_run:
        return Actions(cancel_url=cancel_url, tags_url=tags_url, why_not="Its code was not kept: run its script again.")
    rerun_url = reverse("runs:rerun", args=[run.number])
    done = {StepStatus.COMPLETED, StepStatus.CACHED}
    partly = run.is_finished and run.status != RunStatus.COMPLETED and counts.keys() & done
    failed_url = f"{rerun_url}?scope={RerunScope.FROM_FAILED}" if partly else ""
    return Actions(cancel_url=cancel_url, tags_url=tags_url, rerun_url=rerun_url, rerun_failed_url=failed_url)


def _option(value: Any, what: str) -> str:
    if what.endswith(_SECONDS) and isinstance(value, int | float) and not isinstance(value, bool):
        return format_duration(value) if value else "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else present.value(value, limit=200)
