"""Django's admin at /admin/, for admins, under our role model."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.http import HttpRequest

from stepwell.accounts.models import Role


class StepwellAdminSite(AdminSite):
    site_header = site_title = "Stepwell"
    index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_authenticated and request.user.may(Role.ADMIN)
