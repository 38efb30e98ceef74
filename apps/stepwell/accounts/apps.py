from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "stepwell.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Listens to signing in.
        import_module("stepwell.accounts.sessions")
