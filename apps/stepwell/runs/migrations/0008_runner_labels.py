"""Labels of runners."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("runs", "0007_failures_and_durations")]

    operations: ClassVar = [
        migrations.AddField(model_name="runnernode", name="labels", field=models.JSONField(default=dict)),
    ]
