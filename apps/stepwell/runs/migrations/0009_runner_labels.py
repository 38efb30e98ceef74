"""Labels of runners."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("runs", "0008_dynamic_edges")]

    operations: ClassVar = [
        migrations.AddField(model_name="runnernode", name="labels", field=models.JSONField(default=dict)),
    ]
