from django.apps import AppConfig


class KitConfig(AppConfig):
    name = "stepwell.kit"
    label = "kit"
    default_auto_field = "django.db.models.BigAutoField"
