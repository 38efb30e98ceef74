"""The columns a list of runs can have, and which of them an address asks for."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from stepwell.errors import UsageError
from stepwell.web.access import shown


@dataclass(frozen=True, slots=True)
class Column:
    """``sort`` is the order its heading asks for; ``on_phone`` columns stay on narrow screens."""

    name: str
    title: str
    sort: str = ""
    on_phone: bool = False
    is_number: bool = False


COLUMNS = (
    Column("state", "State", sort="state", on_phone=True),
    Column("run", "Pipeline", on_phone=True),
    Column("name", "Name"),
    Column("tags", "Tags"),
    Column("steps", "Steps"),
    Column("by", "By", sort="by"),
    Column("trigger", "Trigger"),
    Column("started", "Started", sort="started"),
    Column("took", "Took", sort="took", on_phone=True, is_number=True),
    Column("usual", "vs usual", is_number=True),
)
_BY_NAME = {column.name: column for column in COLUMNS}
#: a row without these says nothing
_ALWAYS = frozenset({"state", "run"})
_DEFAULT = ("state", "run", "steps", "by", "trigger", "started", "took", "usual")


def read_columns(query: QueryDict) -> list[Column]:
    """Return the columns an address names: ``cols=state.steps``, or ``col=state&col=steps`` as a form sends it.

    The usual ones when it names none.

    Raises:
        UsageError: There is no such column.
    """
    names = {name for text in (query.get("cols", ""), *query.getlist("col")) for name in text.split(".") if name}
    names = names or set(_DEFAULT)
    for name in sorted(names - _BY_NAME.keys()):
        raise UsageError(f"There is no column “{shown(name)}”.", hint=f"There are: {', '.join(_BY_NAME)}.")
    return [column for column in COLUMNS if column.name in names | _ALWAYS]


def choices(chosen: list[Column]) -> list[tuple[Column, bool]]:
    """Return the columns a person may switch, with whether each is on."""
    return [(column, column in chosen) for column in COLUMNS if column.name not in _ALWAYS]
