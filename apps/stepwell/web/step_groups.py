"""Which steps of a run belong together: those of one ``map`` or ``product``, and those grouped by an option."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from stepwell.runs.models import DriverCall, StepRun
from stepwell.web import present
from stepwell.web.run_rows import Segment, segments

#: a group with more steps than this is one row, or one node, until it is opened
MOST_SHOWN = 8
_MOST_OPEN = 50
_MAPS = (DriverCall.Kind.MAP, DriverCall.Kind.PRODUCT)


@dataclass(frozen=True, slots=True)
class Group:
    """``key`` names it in addresses; ``kind`` is ``map``, ``product`` or ``group``."""

    key: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How the steps of a group stand."""

    n: int
    #: one status for all of them
    status: str
    phrase: str
    segments: list[Segment]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """A group of steps among the rows of a table; closed, it stands for all of them."""

    group: Group
    tally: Tally
    state: present.State
    #: opens or closes it
    url: str
    is_open: bool
    took: present.Span | None
    #: one stretch from the first to begin to the last to end, drawn as the table draws its own
    bars: list[Any]
    #: the step whose panel is open is among those it stands for
    is_selected: bool = False
    is_group: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """The steps of one group that a table shows or folds."""

    group: Group
    members: list[StepRun]

    @property
    def began(self) -> datetime | None:
        return min((step.started_at for step in self.members if step.started_at), default=None)

    @property
    def ended(self) -> datetime | None:
        """Return when the last of them ended; None while one has not."""
        ends = [step.ended_at for step in self.members if step.ended_at]
        return max(ends) if len(ends) == len(self.members) else None

    def is_open(self, opened: frozenset[str]) -> bool:
        return is_open(self.group, len(self.members), opened)

    def row(self, view: Any, *, now: datetime, bars: list[Any], is_selected: bool = False) -> GroupRow:
        """Return its row; ``view`` is what the address asks for: which groups are open, and its ``query``."""
        tally = self.tally
        return GroupRow(
            group=self.group,
            tally=tally,
            state=present.state(tally.status),
            url=view.query(open=toggled(self.group, len(self.members), view.open)) or "?",
            is_open=self.is_open(view.open),
            took=present.span(self.began, self.ended, now=now),
            bars=bars,
            is_selected=is_selected,
        )

    @property
    def tally(self) -> Tally:
        return tally(step.status for step in self.members)


def lots(steps: Iterable[StepRun]) -> list[Lot | StepRun]:
    """Return the steps in their order, those of a group together where its first stands."""
    found: dict[Group | StepRun, list[StepRun]] = {}
    for step in steps:
        found.setdefault(group_of(step) or step, []).append(step)
    return [
        Lot(group=owner, members=members) if isinstance(owner, Group) else owner for owner, members in found.items()
    ]


def with_groups(steps: QuerySet[StepRun]) -> QuerySet[StepRun]:
    """Return the query with what ``group_of`` reads."""
    return steps.annotate(
        group_id=F("plan__options__group__id"),
        group_name=F("plan__options__group__name"),
        call_kind=F("call__kind"),
        call_name=F("call__name"),
    )


def group_of(step: StepRun) -> Group | None:
    """Return the group of a step that ``with_groups`` read; None when it stands alone."""
    kind = step.call_kind  # type: ignore[attr-defined]
    if kind in _MAPS:
        return Group(f"m{step.call_id.hex[-12:]}", step.call_name or step.name, kind)  # type: ignore[attr-defined]
    if step.group_id:  # type: ignore[attr-defined]
        return Group(f"g{step.group_id}", step.group_name or step.group_id, "group")  # type: ignore[attr-defined]
    return None


def read_open(query: Mapping[str, str]) -> frozenset[str]:
    """Return the groups an address says are open, or with a minus closed."""
    keys = [key for key in query.get("open", "")[:4000].split(",") if key]
    return frozenset(keys[:_MOST_OPEN])


def is_open(group: Group, n: int, opened: frozenset[str]) -> bool:
    """Return whether a group of ``n`` steps is open: one of few is, unless it was closed by hand."""
    return f"-{group.key}" not in opened if n <= MOST_SHOWN else group.key in opened


def toggled(group: Group, n: int, opened: frozenset[str]) -> str:
    """Return what an address says once the group was opened or closed."""
    return ",".join(sorted(opened ^ {f"-{group.key}" if n <= MOST_SHOWN else group.key}))


def members(steps: QuerySet[StepRun], key: str) -> QuerySet[StepRun]:
    """Return the steps of ``steps`` in the group with this key."""
    if key.startswith("m"):
        # The end of the id is what addresses carry; within a run it is unique.
        calls = DriverCall.objects.filter(kind__in=_MAPS, driver__run_id__in=steps.values("run_id")[:1])
        ids = [call for call in calls.values_list("id", flat=True) if call.hex.endswith(key[1:])]
        return steps.filter(call_id__in=ids)
    return steps.filter(~Q(call__kind__in=_MAPS) | Q(call=None), plan__options__group__id=key[1:])


def tally(statuses: Iterable[str]) -> Tally:
    """Return how many steps are in which status: ``950 completed, 3 failed, 47 running``."""
    counts = Counter(statuses)
    parts = segments(counts)
    return Tally(
        n=counts.total(), status=_fold(counts), phrase=", ".join(part.phrase for part in parts), segments=parts
    )


def _fold(counts: Counter[str]) -> str:
    for status in ("failed", "running", "retrying", "queued"):
        if counts[status]:
            return status
    if counts["pending"] and counts.total() > counts["pending"]:
        return "running"
    return next((status for status in ("pending", "cancelled", "skipped", "completed", "cached") if counts[status]), "")
