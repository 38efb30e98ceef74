"""The base of every table: a UUIDv7 key, and timestamps on the database's clock."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from stepwell.core.ids import new_id


class Row(models.Model):
    """A row with a UUIDv7 primary key."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True
        ordering: ClassVar[list[str]] = ["id"]


class DbNow(models.Func):
    """The database's clock as seconds since 1970 (float); leases are only ever compared with it."""

    output_field = models.FloatField()
    function = "EXTRACT"

    def as_sqlite(self, compiler, connection, **extra):  # type: ignore[no-untyped-def]
        return "((julianday('now') - 2440587.5) * 86400.0)", []

    def as_postgresql(self, compiler, connection, **extra):  # type: ignore[no-untyped-def]
        return "EXTRACT(EPOCH FROM clock_timestamp())::double precision", []
