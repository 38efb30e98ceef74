"""The instance's settings, for admins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from stepwell.accounts import actions, instance
from stepwell.accounts.models import InstanceSettings, Role
from stepwell.accounts.zones import zone_names
from stepwell.execution import retention
from stepwell.web import present, undo
from stepwell.web.access import needs
from stepwell.web.caller import address
from stepwell.web.fields import ZoneInput
from stepwell.web.settings_environment import environment_rows

_SLOTS = InstanceSettings._meta.get_field("step_slots").default


class SettingsForm(forms.ModelForm):
    class Meta:
        model = InstanceSettings
        fields = instance.FIELDS
        labels: ClassVar[dict[str, str]] = {
            "heartbeat_threshold_minutes": "Heartbeat threshold (minutes)",
            "step_retries": "Retries",
            "step_retry_wait_seconds": "Wait before a retry (seconds)",
            "step_timeout_seconds": "Time limit (seconds)",
            "step_cache": "Use the cache",
            "retention_days": "Retention (days)",
            "retention_runs": "Retention (runs per pipeline)",
            "log_cap_mib": "Log cap (MiB)",
            "redaction_patterns": "Hidden in logs",
        }
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "time_zone": ZoneInput(),
            "redaction_patterns": forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a value comes from: who set it here and when, or ``text``."""

    at: present.Moment | None = None
    by: str = ""
    text: str = ""


@needs(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    row = InstanceSettings.load()
    form = SettingsForm(request.POST or None, instance=row, label_suffix="")
    would_remove = None
    if request.method == "POST" and form.is_valid() and "preview" in request.POST:
        data = form.cleaned_data
        would_remove = retention.preview(days=data["retention_days"], count=data["retention_runs"])
    elif request.method == "POST" and form.is_valid():
        actions.change_settings(values=form.cleaned_data, by=request.user, ip=address(request))
        undo.offer(request, "Saved.", reverse("settings"), **_sent(form.initial))
        return redirect("settings")
    for name, source in _sources().items():
        form.fields[name].source = source
    context = {
        "form": form,
        "sections": [(title, [form[name] for name in names]) for title, names in instance.SECTIONS.items()],
        "changed_at": row.changed_at,
        "zones": zone_names(),
        "would_remove": would_remove,
        "environment": environment_rows(),
    }
    if would_remove:
        context["would_free"] = present.size(would_remove.bytes)
    is_refused = request.method == "POST" and not would_remove
    return render(request, "accounts/settings.html", context, status=422 if is_refused else 200)


def _sent(values: dict[str, Any]) -> dict[str, str]:
    """Return values as the form sends them."""
    return {name: ("on" if value else "") if isinstance(value, bool) else str(value) for name, value in values.items()}


def _sources() -> dict[str, Source]:
    """Return where each setting's value comes from."""
    changes = instance.latest_changes()
    first = "STEPWELL_STEP_SLOTS at the first start" if django_settings.STEP_SLOTS_DEFAULT != _SLOTS else "default"
    return {
        name: Source(at=present.moment(changes[name].at), by=changes[name].by)
        if name in changes
        else Source(text=first if name == "step_slots" else "default")
        for name in instance.FIELDS
    }


urlpatterns = [path("settings/", settings, name="settings")]
