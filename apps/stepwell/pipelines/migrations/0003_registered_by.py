"""Who registered the code of a pipeline."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("pipelines", "0002_schedule")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="snapshot",
            name="registered_by",
            field=models.CharField(blank=True, db_default="", max_length=150),
        ),
    ]
