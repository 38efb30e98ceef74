"""Runs, steps and attempts in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from stepwell.kit.admin import ReadOnlyAdmin
from stepwell.runs.models import Attempt, Run, StepRun


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("number", "name", "pipeline", "status", "trigger", "actor_name", "created_at", "ended_at")
    list_filter = ("status", "trigger")
    list_select_related = ("pipeline",)
    search_fields = ("name", "pipeline__name")


@admin.register(StepRun)
class StepRunAdmin(ReadOnlyAdmin):
    list_display = ("invocation_id", "run", "status", "failures", "started_at", "ended_at")
    list_filter = ("status", "kind")
    list_select_related = ("run__pipeline",)
    search_fields = ("invocation_id", "run__name")
    ordering = ("-id",)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("step_run", "number", "status", "host", "pid", "started_at", "ended_at", "error_type")
    list_filter = ("status",)
    list_select_related = ("step_run",)
    search_fields = ("step_run__invocation_id", "error_type")
    ordering = ("-id",)
