"""A migration only adds: the program of the release before works on the new schema until it is replaced."""

from __future__ import annotations

import pytest
from django.db import models
from django.db.migrations import AddField, AlterField, DeleteModel, RemoveField, RenameField, RenameModel
from django.db.migrations.loader import MigrationLoader
from django.db.models.fields import NOT_PROVIDED

#: the migrations of the first release: its predecessor was none
FIRST = {
    "accounts": 1,
    "vault": 1,
    "stacks": 2,
    "pipelines": 2,
    "runs": 3,
    "artifacts": 2,
}
OURS = {*FIRST, "alerts", "desk"}
#: fields that were added before this was held, and before anything was released; the list does not grow
BEFORE = {
    "accounts.0002_colours_and_keys has_keys",
    "accounts.0002_colours_and_keys palette",
    "runs.0004_dynamic is_dynamic",
    "runs.0004_dynamic exception",
    "runs.0005_rerun_steps rerun_steps",
    "runs.0005_rerun_steps cache_expired_by",
    "runs.0007_failures_and_durations fingerprint",
    "runs.0007_failures_and_durations is_unresolved",
    "runs.0007_failures_and_durations took_seconds",
    "runs.0008_dynamic_edges any_end",
    "runs.0009_runner_labels labels",
}
BREAKING = (RemoveField, DeleteModel, RenameField, RenameModel)


def problem_of(operation, *, was_null: bool = True) -> str:
    """Return why the release before could not work with this operation; empty when it could.

    ``was_null``: a field that is altered could be null so far.
    """
    if isinstance(operation, BREAKING):
        return f"{type(operation).__name__} takes away what the release before uses"
    if not isinstance(operation, AddField | AlterField) or (isinstance(operation, AlterField) and not was_null):
        return ""
    field = operation.field
    # A default of Python's is one the release before does not have: its INSERT leaves the column out.
    if isinstance(field, models.ManyToManyField) or field.null or field.db_default is not NOT_PROVIDED:
        return ""
    return f"{type(operation).__name__} {operation.name} is neither null nor has a db_default"


def newer(loader):
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in OURS and int(name[:4]) > FIRST.get(app, 0):
            yield f"{app}.{name}", migration


def test_every_migration_since_the_first_release_only_adds():
    problems = []
    loader = MigrationLoader(None)
    for name, migration in newer(loader):
        before = loader.project_state([(migration.app_label, migration.name)], at_end=False)
        made = {one.name.lower() for one in migration.operations if type(one).__name__ == "CreateModel"}
        for operation in migration.operations:
            # A table that is made here has no rows yet.
            is_new = getattr(operation, "model_name", "").lower() in made
            model = before.models.get((migration.app_label, getattr(operation, "model_name", "").lower()))
            field = model.fields.get(operation.name) if model and isinstance(operation, AlterField) else None
            why = problem_of(operation, was_null=field is None or field.null)
            if why and not is_new and f"{name} {getattr(operation, 'name', '')}" not in BEFORE:
                problems.append(f"{name}: {why}")
    assert problems == []


@pytest.mark.parametrize(
    ("operation", "is_fine"),
    [
        (RemoveField("run", "name"), False),
        (RenameField("run", "name", "title"), False),
        (DeleteModel("run"), False),
        (AddField("run", "note", models.IntegerField()), False),
        (AlterField("run", "note", models.IntegerField()), False),
        (AddField("run", "note", models.IntegerField(null=True)), True),
        (AddField("run", "note", models.IntegerField(default=0)), False),
        (AddField("run", "note", models.IntegerField(db_default=0)), True),
    ],
)
def test_what_breaks_the_release_before_is_seen(operation, is_fine):
    assert (problem_of(operation) == "") is is_fine
