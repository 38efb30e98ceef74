"""What the frame of every page shows: the rail's entries, the theme, the zone. Nothing is asked of the database
until a template prints it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from django.http import HttpRequest
from django.urls import resolve, reverse
from django.utils import timezone

from stepwell.accounts.models import InstanceSettings, Role
from stepwell.core.status import RunStatus
from stepwell.runs.models import Run
from stepwell.web.access import PUBLIC, access_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the rail."""

    label: str
    url_name: str
    icon: str


MAIN = (
    Entry("Home", "home", "home"),
    Entry("Runs", "runs:list", "running"),
    Entry("Pipelines", "pipelines:list", "pipeline"),
    Entry("Schedules", "schedules:list", "timed_out"),
    Entry("Models", "models:list", "model"),
)
ADMIN = (
    Entry("Secrets", "secrets:list", "key"),
    Entry("Stack", "components:list", "stack"),
    Entry("Alerts", "alerts:list", "alert"),
    Entry("Settings", "settings", "settings"),
    Entry("People", "people:list", "people"),
    Entry("Tokens", "tokens:list", "token"),
    Entry("Audit", "audit", "audit"),
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
    def n_running(self) -> int:
        return Run.objects.filter(status__in=[RunStatus.RUNNING, RunStatus.CANCELLING]).count()

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
                links.append({"entry": entry, "url": url, "is_here": entry.url_name.partition(":")[0] == here})
        return links


def instance_settings(request: HttpRequest) -> InstanceSettings:
    """Return the instance's settings, read once per request."""
    if not hasattr(request, "instance_settings"):
        request.instance_settings = InstanceSettings.load()  # type: ignore[attr-defined]
    return request.instance_settings  # type: ignore[attr-defined]


def _place(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name.partition(":")[0] if match else ""


@lru_cache(maxsize=64)
def _target(url_name: str) -> tuple[str, str]:
    url = reverse(url_name)
    match = resolve(url)
    return url, access_of(match.func, match.namespaces) or "admin"
