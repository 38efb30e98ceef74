"""The audit log, for admins: a page, and files of what a filter finds."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from stepwell.accounts import queries
from stepwell.accounts.models import AuditEvent, Role
from stepwell.accounts.queries import AuditFilter
from stepwell.errors import UsageError
from stepwell.kit.downloads import Download
from stepwell.web.access import needs
from stepwell.web.csv_text import safe_cell
from stepwell.web.fields import PageForm
from stepwell.web.request import stream

_BIGGEST_ID = 2**63 - 1
_BATCH = 500
_COLUMNS = ("at", "who", "action", "kind", "on", "id", "from", "before", "after")


class FilterForm(PageForm):
    action = forms.CharField(required=False, max_length=64)
    actor = forms.CharField(required=False, max_length=150)
    on = forms.CharField(required=False, max_length=150)
    ip = forms.GenericIPAddressField(required=False)
    since = forms.DateField(required=False, input_formats=["%Y-%m-%d"])
    until = forms.DateField(required=False, input_formats=["%Y-%m-%d"])
    before = forms.IntegerField(required=False, min_value=1, max_value=_BIGGEST_ID)

    @property
    def asked(self) -> dict[str, Any]:
        """What is asked for, without what is empty or wrong."""
        return {name: value for name, value in self.cleaned_data.items() if value and name != "before"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field an act changed; None: it had, or has, no value."""

    name: str
    old: Any
    new: Any


@needs(Role.ADMIN)
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    form = FilterForm(request.GET)
    status = 200 if form.is_valid() else 422
    asked = form.asked
    page = queries.list_audit(before=form.cleaned_data.get("before"), zone=timezone.get_current_timezone(), **asked)
    query = urlencode({name: str(value) for name, value in asked.items()})
    context = {
        "rows": [(event, _changes(event)) for event in page.events],
        "actions": queries.audit_actions(),
        "chosen": {name: str(value) for name, value in asked.items()},
        "form": form,
        "is_filtered": bool(asked),
        "is_first": not form.cleaned_data.get("before"),
        "query": query,
        "next_query": f"{query}&before={page.next_before}".lstrip("&") if page.next_before else "",
    }
    return render(request, "accounts/audit.html", context, status=status)


@needs(Role.ADMIN)
@require_safe
def export(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Send every row the filter finds, newest first, as CSV or as JSON lines."""
    form = FilterForm(request.GET)
    if not form.is_valid():
        name = next(iter(form.errors))
        raise UsageError(f"The filter “{name}” does not fit.", hint=" ".join(form.errors[name]))
    events = AuditFilter(**form.asked).apply(zone=timezone.get_current_timezone())
    chunks = (_csv if kind == "csv" else _json)(events.iterator(chunk_size=_BATCH))
    types = {"csv": "text/csv; charset=utf-8", "json": "application/x-ndjson"}
    response = Download(stream(request, chunks), caller=request.user.pk, content_type=types[kind])
    response["Content-Disposition"] = f'attachment; filename="audit.{kind}"'
    return response


def _csv(events: Iterator[AuditEvent]) -> Iterator[bytes]:
    lines: list[str] = []
    writer = csv.writer(_Lines(lines))
    writer.writerow(_COLUMNS)
    for event in events:
        values = _row(event).values()
        cells = [json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value for value in values]
        writer.writerow([safe_cell(cell) for cell in cells])
        if len(lines) >= _BATCH:
            yield "".join(lines).encode()
            lines.clear()
    yield "".join(lines).encode()


def _json(events: Iterator[AuditEvent]) -> Iterator[bytes]:
    for event in events:
        yield json.dumps(_row(event), ensure_ascii=False).encode() + b"\n"


class _Lines:
    """What the csv writer writes to."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def _row(event: AuditEvent) -> dict[str, Any]:
    values = (
        event.at.isoformat(timespec="milliseconds"),
        event.actor_name,
        event.action,
        event.object_kind,
        event.object_name,
        event.object_id,
        event.ip or "",
        event.before,
        event.after,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _changes(event: AuditEvent) -> list[Change]:
    changes = []
    for name in dict.fromkeys([*event.before, *event.after]):
        old, new = _text(event.before.get(name)), _text(event.after.get(name))
        if old != new and (old or new):
            changes.append(Change(name=name, old=old, new=new))
    return changes


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool | dict):
        return json.dumps(value, ensure_ascii=False)
    return None if value is None else str(value)


urlpatterns = [
    path("audit/", audit, name="audit"),
    path("audit/export.csv", export, {"kind": "csv"}, name="audit_csv"),
    path("audit/export.json", export, {"kind": "json"}, name="audit_json"),
]
