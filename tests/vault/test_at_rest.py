"""What reaches the disk, looked at byte by byte."""

from __future__ import annotations

import base64
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connections

from stepwell.vault import actions

VALUES = ("correct-horse-battery-staple", "tr0ub4dor-and-three")


@pytest.fixture
def database(tmp_path: Path, settings: object, django_db_blocker: object) -> Path:
    """A database file of its own, as an instance has one (the tests' own lives in memory)."""
    settings.KEYRING_FILE = tmp_path / "keyring"
    path = tmp_path / "stepwell.db"
    before = connections["default"]
    with django_db_blocker.unblock():
        connections.databases["default"], kept = (
            {**connections.databases["default"], "NAME": str(path)},
            (connections.databases["default"]),
        )
        del connections["default"]
        call_command("migrate", verbosity=0)
        yield path
        connections["default"].close()
        connections.databases["default"] = kept
        connections["default"] = before


def test_no_value_is_in_the_database_file_or_its_journal(database: Path) -> None:
    secret = actions.put_secret(name="warehouse", values={"TOKEN": VALUES[0]}, by=None)
    actions.rotate_secret(secret=secret, values={"TOKEN": VALUES[1]}, by=None)
    got = actions.values_for_step(names=["warehouse"], run_id=uuid4(), step_name="load", attempt_id=uuid4())
    assert got == {"TOKEN": VALUES[1]}

    files = [path for path in database.parent.iterdir() if path.name.startswith("stepwell.db")]
    written = b"".join(path.read_bytes() for path in files)
    assert b"warehouse" in written
    assert any(path.name.endswith("-wal") for path in files)
    for value in VALUES:
        for form in (value.encode(), base64.b64encode(value.encode()), value.encode().hex().encode()):
            assert form not in written
