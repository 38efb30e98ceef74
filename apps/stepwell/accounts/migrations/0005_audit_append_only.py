"""The database itself refuses to change or to delete a row of the audit log.

A later migration that makes this table anew on SQLite (most changes of a column do) loses its triggers there: let it run ``guard`` again.
"""

from django.db import migrations

SAID = "The audit log is never changed."
GUARD = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON accounts_auditevent BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
        f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON accounts_auditevent BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
        # INSERT OR REPLACE deletes what was there without asking the trigger for that.
        "CREATE TRIGGER audit_no_replace BEFORE INSERT ON accounts_auditevent"
        " WHEN NEW.id IN (SELECT id FROM accounts_auditevent)"
        f" BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION stepwell_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{SAID}' USING ERRCODE = 'restrict_violation'; END $$",
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts_auditevent"
        " FOR EACH STATEMENT EXECUTE FUNCTION stepwell_audit_refuse()",
    ],
}
UNGUARD = {
    "sqlite": [f"DROP TRIGGER audit_no_{act}" for act in ("update", "delete", "replace")],
    "postgresql": [
        "DROP TRIGGER audit_append_only ON accounts_auditevent",
        "DROP FUNCTION stepwell_audit_refuse()",
    ],
}


def guard(apps, schema_editor):
    for statement in GUARD[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def unguard(apps, schema_editor):
    for statement in UNGUARD[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_service_accounts")]

    operations = [migrations.RunPython(guard, unguard)]
