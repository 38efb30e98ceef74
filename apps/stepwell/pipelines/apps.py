from django.apps import AppConfig


class PipelinesConfig(AppConfig):
    name = "stepwell.pipelines"
    label = "pipelines"
    default_auto_field = "django.db.models.BigAutoField"
