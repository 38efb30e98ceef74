"""Components in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from stepwell.kit.admin import ReadOnlyAdmin
from stepwell.stacks.models import Component


@admin.register(Component)
class ComponentAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "flavor", "is_default", "created_at")
    list_filter = ("kind",)
    search_fields = ("name", "flavor")
