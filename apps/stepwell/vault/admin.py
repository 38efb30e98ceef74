"""Secrets in Django's admin: names and keys are listed, values can be entered and are never shown."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from stepwell.kit.admin import ReadOnlyAdmin
from stepwell.vault import actions, rules
from stepwell.vault.models import Secret, SecretUse


class WriteOnlyText(forms.Textarea):
    """A text area that is always printed empty."""

    def format_value(self, value: Any) -> str:
        return ""


class SecretForm(forms.ModelForm):
    pairs = forms.CharField(
        label="Keys and values",
        widget=WriteOnlyText(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        strip=False,
        help_text=(
            "One KEY=VALUE a line. They replace all present ones and are never shown again. "
            "For values of several lines use the page Secrets."
        ),
    )

    class Meta:
        model = Secret
        fields: ClassVar[list[str]] = ["name"]

    @sensitive_variables()
    def clean_pairs(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for number, line in enumerate(self.cleaned_data["pairs"].splitlines(), 1):
            if not line.strip():
                continue
            key, equals, value = line.partition("=")
            # Names the line, never quotes it: it may hold a value.
            if not equals:
                raise forms.ValidationError(f"Line {number} is not KEY=VALUE. Enter all values again.")
            if key.strip() in values:
                raise forms.ValidationError(f"Line {number} repeats a key. Enter all values again.")
            values[key.strip()] = value
        try:
            rules.check_values(values)
        except rules.SecretRefused as exc:
            raise forms.ValidationError(f"{exc.message} {exc.hint} Enter all values again.") from None
        return values


@admin.register(Secret)
class SecretAdmin(admin.ModelAdmin):
    form = SecretForm
    list_display = ("name", "key_names", "version", "created_at", "rotated_at")
    search_fields = ("name",)

    def get_fields(self, request: HttpRequest, obj: Secret | None = None) -> tuple[str, ...]:
        return ("name", "key_names", "version", "created_at", "rotated_at", "pairs") if obj else ("name", "pairs")

    def get_readonly_fields(self, request: HttpRequest, obj: Secret | None = None) -> tuple[str, ...]:
        return ("name", "key_names", "version", "created_at", "rotated_at") if obj else ()

    @admin.display(description="keys")
    def key_names(self, obj: Secret) -> str:
        return ", ".join(obj.keys)

    @method_decorator([sensitive_post_parameters("pairs"), sensitive_variables()])
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(request, *args, **kwargs)

    @sensitive_variables()
    def save_model(self, request: HttpRequest, obj: Secret, form: SecretForm, change: bool) -> None:
        values, ip = form.cleaned_data["pairs"], request.META.get("REMOTE_ADDR")
        if change:
            actions.rotate_secret(secret=obj, values=values, by=request.user, ip=ip)
        else:
            obj.pk = actions.put_secret(name=obj.name, values=values, by=request.user, ip=ip).pk

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SecretUse)
class SecretUseAdmin(ReadOnlyAdmin):
    list_display = ("secret", "version", "step_name", "run_id", "attempt_id", "at")
    list_select_related = ("secret",)
    ordering = ("-id",)
    search_fields = ("secret__name", "step_name")
