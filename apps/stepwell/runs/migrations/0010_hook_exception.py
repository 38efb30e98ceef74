"""What a hook that runs again is told of the end it is for."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("runs", "0009_runner_labels")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="hookcall", name="exception", field=models.TextField(blank=True, db_default="")
        ),
    ]
