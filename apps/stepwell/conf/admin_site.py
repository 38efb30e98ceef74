"""Django's admin at /admin/, for admins, under our role model."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from stepwell.accounts.models import Role


class StepwellAdminSite(AdminSite):
    site_header = site_title = "Stepwell"
    index_title = "Administration"

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Passwords are changed in one place, which is throttled, recorded, and ends other sessions.
        return redirect("me")

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_authenticated and request.user.may(Role.ADMIN)
