"""What is hidden in the output of steps."""

from __future__ import annotations

import stepwell.accounts.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_audit_append_only'),
    ]

    operations = [
        migrations.AddField(
            model_name='instancesettings',
            name='redaction_patterns',
            field=models.TextField(blank=True, db_default='', default='', help_text='Hidden in what steps print before it is stored, one a line: a name such as api_key hides the value behind “api_key=” or “api_key:”, /AKIA[0-9A-Z]{16}/ what the expression finds. Values of secrets always are.', max_length=12000, validators=[stepwell.accounts.models.check_patterns]),
        ),
    ]
