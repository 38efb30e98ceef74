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

from stepwell.core.durations import format_duration, parse_duration
from stepwell.core.status import RunStatus, Trigger
from stepwell.errors import UsageError
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run
from stepwell.web import present
from stepwell.web.access import shown

#: what the menu offers for "since"; the address takes any duration
SINCE_CHOICES = (("1h", "last hour"), ("24h", "last 24 hours"), ("7d", "last 7 days"), ("30d", "last 30 days"))
#: the filters an address may hold, in the order chips and query text name them
NAMES = ("status", "pipeline", "trigger", "by", "tag", "error", "is", "since", "text")
#: of these, each further value narrows or widens; of the others the last one counts
MANY = frozenset({"status", "pipeline", "trigger", "by", "tag"})
_IS = ("unresolved",)
_MAX_TEXT = 200
_MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter in force, and the address without it."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    statuses: tuple[str, ...] = ()
    pipelines: tuple[Pipeline, ...] = ()
    triggers: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    error: str = ""
    is_unresolved: bool = False
    since: str = ""
    text: str = ""

    def apply(self, runs: QuerySet[Run]) -> QuerySet[Run]:
        """Return the runs the filters let through, in no order."""
        if self.statuses:
            runs = runs.filter(status__in=self.statuses)
        if self.pipelines:
            runs = runs.filter(pipeline__in=[pipeline.pk for pipeline in self.pipelines])
        if self.triggers:
            runs = runs.filter(trigger__in=self.triggers)
        if self.by:
            runs = runs.filter(actor_name__in=self.by)
        for tag in self.tags:
            runs = _with_tags(runs).filter(_tag(json.dumps(tag)) | _tag(f'"{tag}"'))
        if self.error:
            runs = runs.filter(fingerprint=self.error)
        if self.is_unresolved:
            runs = runs.filter(is_unresolved=True)
        if self.text:
            runs = _with_tags(runs).filter(_contains(self.text))
        if self.since:
            begin = _start(self.since)
            # An id holds the time it was made: the key's order bounds what is read.
            runs = runs.filter(id__gte=_first_id(begin), created_at__gte=begin)
        return runs

    @property
    def is_empty(self) -> bool:
        return self == Filters()

    @property
    def values(self) -> list[tuple[str, str]]:
        """The filters as the address spells them, in the order of ``NAMES``."""
        many = {
            "status": self.statuses,
            "pipeline": tuple(pipeline.slug for pipeline in self.pipelines),
            "trigger": self.triggers,
            "by": self.by,
            "tag": self.tags,
            "error": (self.error,),
            "is": ("unresolved",) if self.is_unresolved else (),
            "since": (self.since,),
            "text": (self.text,),
        }
        return [(name, value) for name in NAMES for value in many[name] if value]


def read(query: QueryDict) -> Filters:
    """Return the filters an address asks for.

    Raises:
        UsageError: A filter has a value that does not exist.
    """
    is_values = _known(query, "is", list(_IS))
    return Filters(
        statuses=_known(query, "status", [str(status) for status in RunStatus]),
        pipelines=_pipelines(_given(query, "pipeline")),
        triggers=_known(query, "trigger", [str(trigger) for trigger in Trigger]),
        by=_given(query, "by"),
        tags=_given(query, "tag"),
        error=_last(query, "error")[:64],
        is_unresolved="unresolved" in is_values,
        since=_since(_last(query, "since")),
        text=_last(query, "text"),
    )


def chips(filters: Filters, query: QueryDict) -> list[Chip]:
    """Return one chip per filter in force; its address leaves the others as they are."""
    names = {pipeline.slug: pipeline.name for pipeline in filters.pipelines}
    return [Chip(_label(name, value, names), without(query, name, value)) for name, value in filters.values]


def words(query: str) -> list[str]:
    """Return the filters a kept query asks for, as chips say them; one that fits no more says so."""
    asked = QueryDict(query)
    try:
        return [chip.label for chip in chips(read(asked), asked)]
    except UsageError as error:
        return [error.message]


def without(query: QueryDict, name: str, value: str) -> str:
    """Return the list's address without one value of one filter."""
    rest = first_page(query)
    rest.setlist(name, [other for other in rest.getlist(name) if other.strip() != value])
    return f"?{rest.urlencode()}"


def with_value(query: QueryDict, name: str, value: str) -> str:
    """Return the list's address with one more filter; one that takes a single value gets this one."""
    rest = first_page(query)
    if name not in MANY:
        rest.setlist(name, [])
    if value not in rest.getlist(name):
        rest.appendlist(name, value)
    return f"?{rest.urlencode()}"


def first_page(query: QueryDict) -> QueryDict:
    """Return a changeable copy of the query that begins at the first page."""
    rest = query.copy()
    for gone in ("after", "jump", "q"):
        rest.pop(gone, None)
    for name in [name for name in rest if not any(rest.getlist(name))]:
        del rest[name]
    return rest


def canonical(query: QueryDict) -> str:
    """Return the part of a list's address that is kept as a view: filters, order and columns.

    Raises:
        UsageError: A filter has a value that does not exist.
    """
    kept = QueryDict(mutable=True)
    for name, value in read(query).values:
        kept.appendlist(name, value)
    for name, value in (("sort", query.get("sort", "")), ("cols", query.get("cols") or ".".join(query.getlist("col")))):
        if value:
            kept[name] = value[:200]
    return kept.urlencode()


def _label(name: str, value: str, pipelines: dict[str, str]) -> str:
    match name:
        case "status":
            return present.state(value).word
        case "pipeline":
            return f"pipeline: {pipelines[value]}"
        case "trigger":
            return f"started by {value}"
        case "by":
            return f"by {value}"
        case "error":
            return f"error {value[:8]}"
        case "is":
            return value
        case "since":
            return dict(SINCE_CHOICES).get(value) or f"last {format_duration(parse_duration(value))}"
        case "text":
            return f"“{value}”"
    return f"{name}: {value}"


def _given(query: QueryDict, name: str) -> tuple[str, ...]:
    cleaned = (value.replace("\0", "").strip()[:_MAX_TEXT].rstrip() for value in query.getlist(name))
    values = tuple(dict.fromkeys(value for value in cleaned if value))
    if len(values) > _MOST_VALUES:
        raise UsageError(f"The filter {name} has {len(values)} values.", hint=f"It takes up to {_MOST_VALUES}.")
    return values


def _known(query: QueryDict, name: str, known: list[str]) -> tuple[str, ...]:
    values = _given(query, name)
    for value in values:
        if value not in known:
            raise UsageError(f"There is no {name} “{shown(value)}”.", hint=f"There are: {', '.join(known)}.")
    return values


def _last(query: QueryDict, name: str) -> str:
    values = _given(query, name)
    return values[-1] if values else ""


def _pipelines(slugs: tuple[str, ...]) -> tuple[Pipeline, ...]:
    found = {pipeline.slug: pipeline for pipeline in Pipeline.objects.filter(slug__in=slugs)} if slugs else {}
    for slug in slugs:
        if slug not in found:
            raise UsageError(f"There is no pipeline “{shown(slug)}”.", hint="Take the filter away.")
    return tuple(found[slug] for slug in slugs)


def _since(text: str) -> str:
    if text:
        parse_duration(text)
        _start(text)
    return text


def _start(since: str) -> datetime:
    try:
        return timezone.now() - timedelta(seconds=parse_duration(since))
    except OverflowError:
        raise UsageError("“since” goes back too far.", hint="Take the filter away.") from None


def _first_id(at: datetime) -> uuid.UUID:
    """Return the lowest id made at or after ``at`` (core.ids: 48 bits of milliseconds come first)."""
    milliseconds = max(0, int(at.timestamp() * 1000))
    return uuid.UUID(int=milliseconds << 80)


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
