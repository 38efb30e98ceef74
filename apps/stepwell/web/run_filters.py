"""Which runs a list shows: filters as they stand in the address, checked against closed lists."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import QueryDict
from django.utils import timezone

from stepwell.accounts.models import as_uuid
from stepwell.core.durations import format_duration, parse_duration
from stepwell.core.status import RunStatus, Trigger
from stepwell.errors import UsageError
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run
from stepwell.web import present
from stepwell.web.access import shown

#: what the form offers for "since"; the address takes any duration
SINCE_CHOICES = (("1h", "last hour"), ("24h", "last 24 hours"), ("7d", "last 7 days"), ("30d", "last 30 days"))
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter in force, and the address without it."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    statuses: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    pipeline: Pipeline | None = None
    text: str = ""
    tag: str = ""
    since: str = ""
    before: uuid.UUID | None = None

    def apply(self, runs: QuerySet[Run]) -> QuerySet[Run]:
        """Return the runs the filters let through, newest first."""
        if self.statuses:
            runs = runs.filter(status__in=self.statuses)
        if self.triggers:
            runs = runs.filter(trigger__in=self.triggers)
        if self.pipeline:
            runs = runs.filter(pipeline=self.pipeline)
        if self.tag:
            runs = _with_tags(runs).filter(_tag(json.dumps(self.tag)) | _tag(f'"{self.tag}"'))
        if self.text:
            runs = _with_tags(runs).filter(_contains(self.text))
        if self.since:
            runs = runs.filter(created_at__gte=_start(self.since))
        if self.before:
            runs = runs.filter(id__lt=self.before)
        return runs.order_by("-id")

    @property
    def status(self) -> str:
        return self.statuses[0] if len(self.statuses) == 1 else ""

    @property
    def trigger(self) -> str:
        return self.triggers[0] if len(self.triggers) == 1 else ""

    @property
    def is_empty(self) -> bool:
        return not (self.statuses or self.triggers or self.pipeline or self.text or self.tag or self.since)


def read(query: QueryDict) -> Filters:
    """Return the filters an address asks for.

    Raises:
        UsageError: A filter has a value that does not exist.
    """
    before = query.get("before", "")
    cursor = as_uuid(before) if before else None
    if before and cursor is None:
        raise UsageError("The page asked for does not exist.", hint="Start from the newest runs.")
    return Filters(
        statuses=_chosen(query, "status", [str(status) for status in RunStatus]),
        triggers=_chosen(query, "trigger", [str(trigger) for trigger in Trigger]),
        pipeline=_pipeline(query.get("pipeline", "")),
        text=_text(query, "text"),
        tag=_text(query, "tag"),
        since=_since(query.get("since", "").strip()),
        before=cursor,
    )


def chips(filters: Filters, query: QueryDict) -> list[Chip]:
    """Return one chip per filter in force; its address leaves the others as they are."""
    found = [Chip(present.state(status).word, _without(query, "status", status)) for status in filters.statuses]
    found += [Chip(f"started by {name}", _without(query, "trigger", name)) for name in filters.triggers]
    if filters.pipeline:
        found.append(Chip(f"pipeline: {filters.pipeline.name}", _without(query, "pipeline")))
    if filters.tag:
        found.append(Chip(f"tag: {filters.tag}", _without(query, "tag")))
    if filters.text:
        found.append(Chip(f"“{filters.text}”", _without(query, "text")))
    if filters.since:
        words = dict(SINCE_CHOICES).get(filters.since) or f"last {format_duration(parse_duration(filters.since))}"
        found.append(Chip(words, _without(query, "since")))
    return found


def _chosen(query: QueryDict, name: str, known: list[str]) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(value for value in query.getlist(name) if value))
    for value in values:
        if value not in known:
            raise UsageError(f"There is no {name} “{shown(value)}”.", hint=f"There are: {', '.join(known)}.")
    return values


def _pipeline(slug: str) -> Pipeline | None:
    if not slug:
        return None
    pipeline = Pipeline.objects.filter(slug=slug).first() if "\0" not in slug else None
    if pipeline is None:
        raise UsageError(f"There is no pipeline “{shown(slug)}”.", hint="Take the filter away.")
    return pipeline


def _text(query: QueryDict, name: str) -> str:
    return query.get(name, "").replace("\0", "").strip()[:_MAX_TEXT]


def _since(text: str) -> str:
    if text:
        parse_duration(text)
    return text


def _start(since: str) -> datetime:
    try:
        return timezone.now() - timedelta(seconds=parse_duration(since))
    except OverflowError:
        raise UsageError("“since” goes back too far.", hint="Take the filter away.") from None


def _with_tags(runs: QuerySet[Run]) -> QuerySet[Run]:
    return runs.annotate(tags_text=Cast("tags", TextField()))


def _tag(text: str) -> Q:
    return Q(tags_text__contains=text)


def _contains(text: str) -> Q:
    found = Q(name__icontains=text) | Q(pipeline__name__icontains=text) | Q(tags_text__icontains=text)
    digits = text.lstrip("#")
    if digits.isascii() and digits.isdigit() and len(digits) < 16:
        found |= Q(number=int(digits))
    return found


def _without(query: QueryDict, name: str, value: str | None = None) -> str:
    rest = query.copy()
    kept = [other for other in query.getlist(name) if value is not None and other != value]
    rest.setlist(name, kept)
    for gone in ("before", "jump"):
        rest.pop(gone, None)
    return f"?{rest.urlencode()}"
