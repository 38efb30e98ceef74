"""The order of a list of runs, and pages of it by key: each begins after the last row of the one before."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from stepwell.accounts.models import as_uuid
from stepwell.core.status import RunStatus
from stepwell.errors import UsageError
from stepwell.runs.models import Run
from stepwell.web.access import shown

#: what the address calls an order -> its columns, as an index has them; ids are in the order of time
_COLUMNS = {
    "started": ("id",),
    "took": ("took_seconds", "id"),
    "state": ("status", "-id"),
    "by": ("actor_name", "-id"),
}
_DEFAULT = "-started"


@dataclass(frozen=True, slots=True)
class Order:
    """``name`` is started, took, state or by."""

    name: str = "started"
    is_descending: bool = True

    @property
    def text(self) -> str:
        return f"-{self.name}" if self.is_descending else self.name

    @property
    def is_default(self) -> bool:
        return self.text == _DEFAULT

    def apply(self, runs: QuerySet[Run], after: Place | None = None) -> QuerySet[Run]:
        """Return ``runs`` in this order, from the row behind ``after`` on."""
        columns = [_turned(column) if self.is_descending else column for column in _COLUMNS[self.name]]
        if after:
            runs = runs.filter(*_behind(columns, after))
        return runs.order_by(*columns)

    def place(self, run: Run) -> str:
        """Return where ``run`` stands in this order, as the address names it."""
        match self.name:
            case "took":
                return f"{run.id}~{run.took_seconds!r}"
            case "state":
                return f"{run.id}~{run.status}"
            case "by":
                return f"{run.id}~{run.actor_name}"
        return str(run.id)


@dataclass(frozen=True, slots=True)
class Place:
    """The row a page begins after: its id and, in orders other than by time, its value."""

    id: uuid.UUID
    value: Any = None


def read_order(text: str) -> Order:
    """Return the order an address asks for; newest first when it asks for none.

    Raises:
        UsageError: There is no such order.
    """
    name = (text or _DEFAULT).removeprefix("-")
    if name not in _COLUMNS:
        raise UsageError(f"Runs cannot be sorted by “{shown(text)}”.", hint=f"There are: {', '.join(_COLUMNS)}.")
    return Order(name, (text or _DEFAULT).startswith("-"))


def read_place(text: str, order: Order) -> Place | None:
    """Return the place an address names.

    Raises:
        UsageError: It is none of this order's.
    """
    if not text:
        return None
    head, mark, value = text.partition("~")
    run_id = as_uuid(head)
    wrong = UsageError("The page asked for does not exist.", hint="Start from the first page.")
    if run_id is None or "\0" in text or (order.name != "started") != bool(mark):
        raise wrong
    if order.name == "took":
        try:
            return Place(run_id, _finite(value))
        except ValueError:
            raise wrong from None
    if order.name == "state" and value not in list(RunStatus):
        raise wrong
    return Place(run_id, value)


def _turned(column: str) -> str:
    return column[1:] if column.startswith("-") else f"-{column}"


def _behind(columns: list[str], after: Place) -> list[Q]:
    beyond = [f"{column.lstrip('-')}__{'lt' if column.startswith('-') else 'gt'}" for column in columns]
    last = Q(**{beyond[-1]: after.id})
    if len(columns) == 1:
        return [last]
    # The first condition is implied by the second; it lets the database begin in its index where the page does.
    return [Q(**{f"{beyond[0]}e": after.value}), Q(**{beyond[0]: after.value}) | last]


def _finite(text: str) -> float:
    number = float(text)
    if not -1e12 < number < 1e12:
        raise ValueError(text)
    return number
