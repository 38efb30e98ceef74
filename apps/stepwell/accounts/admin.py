"""People, settings, tokens and the audit log in Django's admin; changes go through the same actions as on our pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from stepwell.accounts import actions, instance
from stepwell.accounts.models import ApiToken, AuditEvent, InstanceSettings, User
from stepwell.errors import StepwellError
from stepwell.kit.admin import ReadOnlyAdmin

# Roles are all there is: groups and single permissions would be a second truth.
admin.site.unregister(Group)


class PersonForm(forms.ModelForm):
    """Tries a change of role or activity before the page says it is done."""

    by: User
    ip: str | None = None

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        try:
            with transaction.atomic():
                self.apply(values)
                transaction.set_rollback(True)
        except StepwellError as exc:
            raise forms.ValidationError(f"{exc.message} {exc.hint}".strip()) from None
        return values

    def apply(self, values: dict[str, Any]) -> None:
        """Make the changes through the actions that check and record them."""
        user = User.objects.get(pk=self.instance.pk)
        if "role" in values:
            user = actions.change_role(user=user, role=values["role"], by=self.by, ip=self.ip)
        if "is_active" in values:
            actions.set_active(user=user, active=values["is_active"], by=self.by, ip=self.ip)


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    form = PersonForm
    list_display = ("username", "role", "is_active", "last_login", "date_joined")
    list_filter = ("role", "is_active")
    search_fields = ("username",)
    ordering = ("username",)
    fields = ("username", "role", "is_active", "time_zone", "theme", "last_login", "date_joined")
    readonly_fields = ("username", "time_zone", "theme", "last_login", "date_joined")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type:
        form = super().get_form(request, obj, change, **kwargs)
        return type("PersonForm", (form,), {"by": request.user, "ip": request.META.get("REMOTE_ADDR")})

    def save_model(self, request: HttpRequest, obj: User, form: PersonForm, change: bool) -> None:
        form.apply(form.cleaned_data)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(InstanceSettings)
class InstanceSettingsAdmin(admin.ModelAdmin):
    fields = (*instance.FIELDS, "changed_at")
    readonly_fields = ("changed_at",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        row = InstanceSettings.load()
        return redirect(reverse("admin:accounts_instancesettings_change", args=[row.pk]))

    def save_model(self, request: HttpRequest, obj: InstanceSettings, form: forms.ModelForm, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in instance.FIELDS}
        actions.change_settings(values=values, by=request.user, ip=request.META.get("REMOTE_ADDR"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "prefix", "user", "role", "created_at", "expires_at", "latest_use_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    exclude = ("token_hash",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor_name", "action", "object_kind", "object_name", "ip")
    search_fields = ("action", "actor_name", "object_name")
