from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "stepwell.desk"
    label = "desk"
