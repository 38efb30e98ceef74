"""Artifacts in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from stepwell.artifacts.models import Artifact, ArtifactVersion
from stepwell.kit.admin import ReadOnlyAdmin


@admin.register(Artifact)
class ArtifactAdmin(ReadOnlyAdmin):
    list_display = ("name", "created_at")
    search_fields = ("name",)
    ordering = ("name",)


@admin.register(ArtifactVersion)
class ArtifactVersionAdmin(ReadOnlyAdmin):
    list_display = ("artifact", "version", "type", "size", "created_at")
    list_select_related = ("artifact",)
    search_fields = ("artifact__name", "version", "sha256")
    ordering = ("-id",)
