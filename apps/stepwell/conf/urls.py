"""Which front door answers which address."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from stepwell.api.metrics import metrics

urlpatterns = [
    path("", include("stepwell.web.urls")),
    path("api/", include("stepwell.api.urls")),
    path("admin/", admin.site.urls),
    path("metrics", metrics, name="metrics"),
]
handler400 = "stepwell.web.errors.bad_request"
handler403 = "stepwell.web.errors.permission_denied"
handler404 = "stepwell.web.errors.page_not_found"
handler500 = "stepwell.web.errors.server_error"
