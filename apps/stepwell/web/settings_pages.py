"""The instance's settings, for admins."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from stepwell.accounts import actions, instance
from stepwell.accounts.models import InstanceSettings, Role
from stepwell.accounts.zones import zone_names
from stepwell.execution import retention
from stepwell.web import present
from stepwell.web.access import needs
from stepwell.web.caller import address
from stepwell.web.fields import ZoneInput


class SettingsForm(forms.ModelForm):
    class Meta:
        model = InstanceSettings
        fields = instance.FIELDS
        labels: ClassVar[dict[str, str]] = {
            "heartbeat_threshold_minutes": "Heartbeat threshold (minutes)",
            "retention_days": "Retention (days)",
            "retention_runs": "Retention (runs per pipeline)",
            "log_cap_mib": "Log cap (MiB)",
        }
        widgets: ClassVar[dict[str, forms.Widget]] = {"time_zone": ZoneInput()}


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
        messages.success(request, "Saved.")
        return redirect("settings")
    context = {"form": form, "changed_at": row.changed_at, "zones": zone_names(), "would_remove": would_remove}
    if would_remove:
        context["would_free"] = present.size(would_remove.bytes)
    is_refused = request.method == "POST" and not would_remove
    return render(request, "accounts/settings.html", context, status=422 if is_refused else 200)


urlpatterns = [path("settings/", settings, name="settings")]
