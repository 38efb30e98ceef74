"""What the frame of every page shows: the rail's entries, the theme, the zone. Nothing is asked of the database
until a template prints it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import resolve, reverse
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings, Role, User
from stepwell.core.status import RunStatus
from stepwell.desk.models import Notice, ViewMark, Watch
from stepwell.kit.prepared import Select, Slot
from stepwell.runs.models import Run, Wait
from stepwell.web.access import PUBLIC, access_of

_MOST_PINNED = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the rail."""

    label: str
    url_name: str
    icon: str
    #: the number beside it, kept true by the socket
    count: str = ""
    #: whether it stands in the bar of narrow screens, which has room for few
    on_phone: bool = False


MAIN = (
    Entry("Home", "home", "home", on_phone=True),
    Entry("Runs", "runs:list", "running", count="running", on_phone=True),
    Entry("Unresolved", "runs:unresolved", "unresolved", count="unresolved"),
    Entry("Waiting", "waits:list", "paused", count="waiting"),
    Entry("Pipelines", "pipelines:list", "pipeline"),
    Entry("Schedules", "schedules:list", "clock"),
    Entry("Artifacts", "artifacts:list", "artifact"),
    Entry("Models", "models:list", "model"),
    Entry("Runners", "runners", "runner"),
)
ADMIN = (
    Entry("Secrets", "secrets:list", "key"),
    Entry("Stack", "components:list", "stack"),
    Entry("Alerts", "alerts:list", "alert"),
    Entry("Settings", "settings", "settings"),
    Entry("People", "people:list", "people"),
    Entry("Tokens", "tokens:list", "token"),
    Entry("Audit", "audit", "audit"),
    Entry("System", "system", "system"),
)


def frame(request: HttpRequest) -> dict[str, Any]:
    return {"frame": Frame(request)}


class Frame:
    """The parts of the frame, each worked out when it is printed."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.user = getattr(request, "user", None)

    @cached_property
    def signed_in(self) -> bool:
        return self.user is not None and self.user.is_authenticated

    @cached_property
    def theme(self) -> str:
        return self.user.theme if self.signed_in else ""

    @cached_property
    def instance_name(self) -> str:
        return instance_settings(self._request).instance_name

    @cached_property
    def zone(self) -> str:
        return timezone.localtime().tzname() or "UTC"

    @cached_property
    def zone_name(self) -> str:
        return timezone.get_current_timezone_name()

    @cached_property
    def counts(self) -> dict[str, int]:
        """The numbers of the frame; one query for all of them."""
        if not self.signed_in:
            return dict.fromkeys(_COUNTED, 0)
        return dict(zip(_COUNTED, _COUNTS.one(user=self.user.pk), strict=True))

    @property
    def n_running(self) -> int:
        return self.counts["running"]

    @property
    def n_unresolved(self) -> int:
        return self.counts["unresolved"]

    @property
    def n_waiting(self) -> int:
        return self.counts["waiting"]

    @property
    def n_unread(self) -> int:
        return self.counts["unread"]

    @cached_property
    def pinned(self) -> list[dict[str, str]]:
        """The views this person pinned, as links."""
        if not self.counts["pins"]:
            return []
        marks = ViewMark.objects.filter(user=self.user, is_pinned=True, view__removed_at=None)
        marks = marks.select_related("view").order_by("view__name")
        runs = reverse("runs:list")
        views = [
            mark.view for mark in marks[:_MOST_PINNED] if mark.view.is_shared or mark.view.owner_id == self.user.pk
        ]
        return [{"name": view.name, "url": f"{runs}?{view.query}&view={view.pk}"} for view in views]

    @cached_property
    def watched(self) -> set[object]:
        """The ids of the runs this person waits for."""
        return set(Watch.objects.filter(user=self.user).values_list("run_id", flat=True)) if self.signed_in else set()

    @cached_property
    def keys(self) -> str:
        return "on" if self.signed_in and self.user.has_keys else "off"

    @cached_property
    def palette(self) -> str:
        return self.user.palette if self.signed_in else ""

    @property
    def density(self) -> str:
        """How high rows are in this browser."""
        asked = self._request.COOKIES.get("stepwell-density", "")
        return asked if asked in {"compact", "comfortable"} else ""

    @cached_property
    def is_rail_folded(self) -> bool:
        return self._request.COOKIES.get("stepwell-rail") == "folded"

    @cached_property
    def zones(self) -> list[tuple[str, str, bool]]:
        """The zones the top bar offers: (what to send, word, whether it is in force)."""
        here = self._request.session.get("zone", "")
        own = self.user.time_zone or instance_settings(self._request).time_zone
        offered = [("", own)] + [("UTC", "UTC")] * (own != "UTC") + [(here, here)] * (here not in {"", "UTC", own})
        return [(value, word, value == here) for value, word in offered]

    @cached_property
    def main(self) -> list[dict[str, Any]]:
        return self._links(MAIN)

    @cached_property
    def admin(self) -> list[dict[str, Any]]:
        return self._links(ADMIN) if self.signed_in and self.user.may(Role.ADMIN) else []

    def _links(self, entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
        here = _place(self._request)
        links = []
        for entry in entries:
            url, need = _target(entry.url_name)
            if need == PUBLIC or (self.signed_in and self.user.may(need)):
                links.append({"entry": entry, "url": url, "is_here": _is_here(entry, here, entries)})
        return links


def _number(rows: QuerySet[Any]) -> Coalesce:
    one_row = rows.order_by().values(all=Value(1)).annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(one_row), 0)


_MINE = {"user": OuterRef("pk")}
_COUNTED = {
    "running": Run.objects.filter(status__in=[RunStatus.RUNNING, RunStatus.CANCELLING]),
    "unresolved": Run.objects.filter(is_unresolved=True),
    "waiting": Wait.objects.filter(status=Wait.Status.OPEN),
    "unread": Notice.objects.filter(**_MINE, read_at__isnull=True),
    "pins": ViewMark.objects.filter(**_MINE, is_pinned=True),
}
_COUNTS = Select(
    lambda: (
        User.objects.filter(pk=Slot("user"))
        .annotate(**{name: _number(rows) for name, rows in _COUNTED.items()})
        .values_list(*_COUNTED)
    )
)


def instance_settings(request: HttpRequest) -> InstanceSettings:
    """Return the instance's settings, read once per request."""
    if not hasattr(request, "instance_settings"):
        request.instance_settings = InstanceSettings.load()  # type: ignore[attr-defined]
    return request.instance_settings  # type: ignore[attr-defined]


def _place(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name if match else ""


def _is_here(entry: Entry, here: str, entries: tuple[Entry, ...]) -> bool:
    """Return whether the page belongs to this entry: its own page, else the first of its part of the program."""
    if any(one.url_name == here for one in entries):
        return entry.url_name == here
    part = here.partition(":")[0]
    return next((one for one in entries if one.url_name.partition(":")[0] == part), None) is entry


@lru_cache(maxsize=64)
def _target(url_name: str) -> tuple[str, str]:
    url = reverse(url_name)
    match = resolve(url)
    return url, access_of(match.func, match.namespaces) or "admin"
