from django.apps import AppConfig


class StacksConfig(AppConfig):
    name = "stepwell.stacks"
    label = "stacks"
    default_auto_field = "django.db.models.BigAutoField"
