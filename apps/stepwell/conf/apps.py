from django.contrib.admin.apps import AdminConfig


class StepwellAdminConfig(AdminConfig):
    default_site = "stepwell.conf.admin_site.StepwellAdminSite"
