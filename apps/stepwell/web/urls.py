"""Every page's address."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.urls import include, path

from stepwell.web import (
    acknowledgements,
    alerts,
    artifact_pages,
    artifacts,
    audit,
    bulk,
    components,
    find,
    health,
    help_pages,
    home,
    inbox,
    me,
    model_pages,
    people,
    pipeline_plan,
    pipeline_schedules,
    pipelines,
    runners,
    runs,
    saved_views,
    schedules,
    secret_pages,
    settings_pages,
    sign_in,
    system,
    token_pages,
    unresolved,
    waits,
)

urlpatterns = [
    *home.urlpatterns,
    *health.urlpatterns,
    *sign_in.urlpatterns,
    *me.urlpatterns,
    *audit.urlpatterns,
    *settings_pages.urlpatterns,
    *find.urlpatterns,
    *help_pages.urlpatterns,
    *inbox.urlpatterns,
    *runners.urlpatterns,
    *system.urlpatterns,
    path("", include(([*unresolved.urlpatterns, *acknowledgements.urlpatterns], "errors"))),
    path("", include((runs.urlpatterns, "runs"))),
    path("", include((bulk.urlpatterns, "bulk"))),
    path("", include((saved_views.urlpatterns, "views"))),
    path(
        "",
        include(([*pipelines.urlpatterns, *pipeline_plan.urlpatterns, *pipeline_schedules.urlpatterns], "pipelines")),
    ),
    path("", include((schedules.urlpatterns, "schedules"))),
    path("", include(([*artifact_pages.urlpatterns, *artifacts.urlpatterns], "artifacts"))),
    path("", include((model_pages.urlpatterns, "models"))),
    path("", include((secret_pages.urlpatterns, "secrets"))),
    path("", include((token_pages.urlpatterns, "tokens"))),
    path("", include((people.urlpatterns, "people"))),
    path("", include((waits.urlpatterns, "waits"))),
    path("", include((components.urlpatterns, "components"))),
    path("", include((alerts.urlpatterns, "alerts"))),
]
if settings.OIDC_URL:
    # Its library is an extra.
    urlpatterns += import_module("stepwell.web.oidc").urlpatterns
