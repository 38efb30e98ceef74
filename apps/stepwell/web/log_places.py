"""The logs of a run: its steps by state, and the attempts of one of them."""

from __future__ import annotations

from dataclasses import dataclass

from stepwell.core.status import StepStatus
from stepwell.runs.models import Attempt, Run, StepRun
from stepwell.web import present
from stepwell.web.run_page import log_url

#: what needs a look comes first
_ORDER = (
    StepStatus.FAILED,
    StepStatus.RUNNING,
    StepStatus.RETRYING,
    StepStatus.QUEUED,
    StepStatus.PENDING,
    StepStatus.COMPLETED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One log."""

    label: str
    #: empty: there is no log
    url: str
    state: present.State
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class PlaceGroup:
    """The steps in one state."""

    state: present.State
    places: list[Place]


def steps_by_state(run: Run, *, current: StepRun | None = None) -> list[PlaceGroup]:
    """Return the run's steps, each with the log of its newest attempt."""
    newest = dict(Attempt.objects.filter(step_run__run=run).order_by("number").values_list("step_run_id", "number"))
    columns = ("id", "invocation_id", "kind", "status", "run_id", "ordinal")
    groups: dict[str, list[Place]] = {}
    for step in StepRun.objects.filter(run=run).only(*columns).order_by("ordinal"):
        place = Place(
            label=present.step_label(step.invocation_id),
            url=log_url(run, step.invocation_id, newest[step.id]) if step.id in newest else "",
            state=present.state(step.status),
            is_current=current is not None and step.id == current.id,
        )
        groups.setdefault(step.status, []).append(place)
    statuses = sorted(groups, key=lambda status: _ORDER.index(status) if status in _ORDER else len(_ORDER))
    return [PlaceGroup(present.state(status), groups[status]) for status in statuses]


def attempts_of(run: Run, current: Attempt) -> list[Place]:
    """Return every attempt of the step."""
    rows = Attempt.objects.filter(step_run=current.step_run).only("id", "number", "status").order_by("number")
    return [
        Place(
            label=str(row.number),
            url=log_url(run, current.step_run.invocation_id, row.number),
            state=present.state(row.status),
            is_current=row.id == current.id,
        )
        for row in rows
    ]
