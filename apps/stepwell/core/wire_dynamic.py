"""What the API takes and gives of dynamic runs: the calls of a driver, and what people are asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from stepwell.core.plan import Wire
from stepwell.core.wire import PAGE_LIMIT, Answer, Limit


class CallFilters(Wire):
    #: calls with a higher ordinal than this
    after: int = Field(default=0, ge=0, lt=2**31)
    limit: Limit = PAGE_LIMIT


class CallDetail(Answer):
    """One call of a dynamic pipeline's body, in the order it was made."""

    id: UUID
    #: counts the calls of the body from 1
    ordinal: int
    #: step, map, product, pipeline, load or wait
    kind: str
    name: str
    #: of the step, or of the map or product whose steps are ``map:<this>:0``, ...; ``#12`` for a run
    invocation_id: str
    #: the call as people read it
    label: str
    #: how many steps it makes
    count: int
    #: how many of its steps have each status; for a pipeline of its run, for a wait of itself
    statuses: dict[str, int]
    created_at: datetime


class CallPage(Answer):
    items: list[CallDetail]
    #: what the driver waits for now; empty when it does not
    waits_for: str


class WaitDetail(Answer):
    """A question that a dynamic run waits for, or waited for."""

    id: UUID
    name: str
    question: str
    #: JSON schema of the answer; empty takes any JSON
    schema_: dict[str, Any] = Field(serialization_alias="schema", validation_alias="schema")
    #: open, answered, timed_out or cancelled
    status: str
    #: None waits for ever
    deadline_at: datetime | None
    answer: Any
    answered_by: str
    answered_at: datetime | None
    created_at: datetime


class WaitList(Answer):
    items: list[WaitDetail]


class WaitAnswer(Wire):
    """An answer: JSON that fits the question's schema."""

    answer: Any
