from django.apps import AppConfig

from stepwell.kit import failing


class KitConfig(AppConfig):
    name = "stepwell.kit"
    label = "kit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        failing.arm()
