"""Pipelines and their snapshots in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from stepwell.kit.admin import ReadOnlyAdmin
from stepwell.pipelines.models import Pipeline, Schedule, ScheduleFire, Snapshot


@admin.register(Pipeline)
class PipelineAdmin(ReadOnlyAdmin):
    list_display = ("name", "slug", "created_at")
    search_fields = ("name",)


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ("pipeline", "number", "entry_file", "git_commit", "created_at")
    list_select_related = ("pipeline",)
    search_fields = ("pipeline__name", "code_hash", "git_commit")


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    list_display = ("name", "pipeline", "cron", "interval_seconds", "is_paused", "problem")
    list_select_related = ("pipeline",)
    search_fields = ("name", "pipeline__name")


@admin.register(ScheduleFire)
class ScheduleFireAdmin(ReadOnlyAdmin):
    list_display = ("schedule", "due", "cause", "run_id", "problem")
    list_select_related = ("schedule",)
