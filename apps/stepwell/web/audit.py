"""The audit log, for admins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from stepwell.accounts import queries
from stepwell.accounts.models import AuditEvent, Role
from stepwell.web.access import needs
from stepwell.web.fields import PageForm

_BIGGEST_ID = 2**63 - 1


class FilterForm(PageForm):
    action = forms.CharField(required=False, max_length=64)
    actor = forms.CharField(required=False, max_length=150)
    before = forms.IntegerField(required=False, min_value=1, max_value=_BIGGEST_ID)


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
    chosen = {name: form.cleaned_data.get(name) for name in ("action", "actor")}
    page = queries.list_audit(
        action=chosen["action"] or "", actor=chosen["actor"] or "", before=form.cleaned_data.get("before")
    )
    more = {**{name: value for name, value in chosen.items() if value}, "before": page.next_before}
    context = {
        "rows": [(event, _changes(event)) for event in page.events],
        "actions": queries.audit_actions(),
        "chosen": chosen,
        "form": form,
        "is_filtered": any(chosen.values()),
        "is_first": not form.cleaned_data.get("before"),
        "next_query": urlencode(more) if page.next_before else "",
    }
    return render(request, "accounts/audit.html", context, status=status)


def _changes(event: AuditEvent) -> list[Change]:
    changes = []
    for name in dict.fromkeys([*event.before, *event.after]):
        old, new = _text(event.before.get(name)), _text(event.after.get(name))
        if old != new:
            changes.append(Change(name=name, old=old, new=new))
    return changes


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return None if value is None else str(value)


urlpatterns = [path("audit/", audit, name="audit")]
