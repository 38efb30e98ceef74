"""The steps of one group or map as a table that pages and filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, QuerySet

from stepwell.core.status import StepKind, StepStatus
from stepwell.runs.models import Run, StepRun
from stepwell.web import present, step_groups
from stepwell.web.run_page import step_url

PAGE = 50


@dataclass(frozen=True, slots=True)
class Member:
    invocation_id: str
    url: str
    state: present.State
    took: present.Span | None
    n_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    key: str
    name: str
    rows: list[Member]
    #: how many steps the filters leave, and how many there are
    n_found: int
    tally: step_groups.Tally
    text: str
    status: str
    statuses: list[tuple[str, str]]
    opened: str
    first: int
    earlier_url: str
    later_url: str


def read(run: Run, key: str, query: Mapping[str, str], *, ids: list[UUID] | None = None) -> Members | None:
    """Return the steps of the group with this key as the address filters them; None when there is no such group.

    ``ids`` are the steps of a box that is no group but a part of a large graph.
    """
    everything = _of_group(run, key) if ids is None else StepRun.objects.filter(id__in=ids)
    tally = step_groups.tally(everything.values_list("status", flat=True))
    if not tally.n:
        return None
    text, status = query.get("q", "")[:200].replace("\0", ""), query.get("state", "")
    found = everything.order_by("map_index", "ordinal", "id")
    if text:
        found = found.filter(invocation_id__icontains=text)
    if status in set(StepStatus):
        found = found.filter(status=status)
    n_found = found.count() if text or status else tally.n
    page = query.get("page", "")
    number = min(max(1, int(page[:6])), max(1, -(-n_found // PAGE))) if page.isascii() and page.isdigit() else 1
    start = (number - 1) * PAGE
    rows = found.annotate(n_attempts=Count("attempts")).defer("plan", "metadata")[start : start + PAGE]
    steps = list(rows)
    return Members(
        key=key,
        name=_name(key, steps) if ids is None else f"part {key[1:]}",
        rows=[_member(run, step, query.get("open", "")) for step in steps],
        n_found=n_found,
        tally=tally,
        text=text,
        status=status,
        statuses=[(part.status, f"{present.state(part.status).word} ({part.count:,})") for part in tally.segments],
        opened=query.get("open", ""),
        first=start + 1,
        earlier_url=_page_url(query, number - 1) if number > 1 else "",
        later_url=_page_url(query, number + 1) if start + PAGE < n_found else "",
    )


def _of_group(run: Run, key: str) -> QuerySet[StepRun]:
    steps = StepRun.objects.filter(run=run, kind=StepKind.STEP)
    return steps.filter(name=key[1:]) if key.startswith("n") else step_groups.members(steps, key)


def _name(key: str, steps: list[StepRun]) -> str:
    if key.startswith("n"):
        return key[1:]
    shown = step_groups.with_groups(StepRun.objects.filter(id__in=[step.id for step in steps[:1]])).first()
    group = step_groups.group_of(shown) if shown else None
    return group.name if group else key[1:]


def _member(run: Run, step: StepRun, opened: str) -> Member:
    url = step_url(run, step.invocation_id, page="graph")
    return Member(
        invocation_id=step.invocation_id,
        url=f"{url}&open={opened}" if opened.replace(",", "").isalnum() else url,
        state=present.state(step.status),
        took=present.span(step.started_at, step.ended_at) if step.status != StepStatus.CACHED else None,
        n_attempts=step.n_attempts,  # type: ignore[attr-defined]
    )


def _page_url(query: Mapping[str, str], number: int) -> str:
    kept = {name: query.get(name, "") for name in ("group", "open", "q", "state")}
    return present.query(**kept, page=number)
