from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, transaction

from stepwell.accounts import audit, queries
from stepwell.accounts.models import AuditEvent, NeverChanged, User


@pytest.mark.parametrize("actor", [None, AnonymousUser()])
def test_nobody_is_written_as_nobody(db: None, actor: object) -> None:
    event = audit.record(actor=actor, action="run.cancelled")

    assert (event.actor_id, event.actor_name) == (None, "")


@pytest.mark.parametrize(
    ("given", "stored"), [("203.0.113.7", "203.0.113.7"), ("fe80::1%eth0", "fe80::1"), ("testclient", None), ("", None)]
)
def test_what_is_no_address_is_left_out(db: None, given: str, stored: str | None) -> None:
    assert audit.record(actor=None, action="sign_in", ip=given).ip == stored


def test_long_names_are_cut_to_fit(db: None) -> None:
    assert len(audit.record(actor=None, action="run.cancelled", object_name="x" * 1000).object_name) == 255


def test_pages_follow_each_other_without_gap_or_double(alice: User) -> None:
    made = [audit.record(actor=alice, action=f"act.{number}").pk for number in range(7)]

    seen: list[int] = []
    before = None
    while True:
        page = queries.list_audit(before=before, limit=3)
        seen += [event.pk for event in page.events]
        audit.record(actor=alice, action="act.later")
        if page.next_before is None:
            break
        before = page.next_before
    assert seen == made[::-1]


def test_filter_finds_an_action_and_its_family(alice: User, bob: User) -> None:
    for actor, action in ((alice, "secret.created"), (bob, "secret.deleted"), (alice, "secretive"), (alice, "sign_in")):
        audit.record(actor=actor, action=action)

    assert {event.action for event in queries.list_audit(action="secret").events} == {
        "secret.created",
        "secret.deleted",
    }
    assert [event.action for event in queries.list_audit(action="secret", actor="BOB").events] == ["secret.deleted"]
    assert len(queries.list_audit(actor=str(alice.pk)).events) == 3
    assert AuditEvent.objects.count() == 4


def test_no_row_is_changed_or_deleted(alice: User) -> None:
    event = audit.record(actor=alice, action="role.changed", after={"role": "viewer"})
    event.after = {"role": "admin"}
    rows = AuditEvent.objects.all()

    for act in (
        event.save,
        event.delete,
        rows.delete,
        lambda: rows.update(action="nothing"),
        lambda: rows.bulk_update([event], ["action"]),
        lambda: AuditEvent(pk=event.pk, action="other").save(),
    ):
        with pytest.raises((NeverChanged, IntegrityError)), transaction.atomic():
            act()

    assert AuditEvent.objects.get().after == {"role": "viewer"}


COLUMNS = "id, at, actor_name, action, object_kind, object_id, object_name, before, after"
AGAIN = f"INTO accounts_auditevent ({COLUMNS}) SELECT {COLUMNS} FROM accounts_auditevent WHERE true"
CHANGES = {
    "sqlite": [f"REPLACE {AGAIN}", "UPDATE OR REPLACE accounts_auditevent SET id = id + 1"],
    "postgresql": ["TRUNCATE accounts_auditevent", "TRUNCATE accounts_auditevent, accounts_apitoken CASCADE"],
    "both": [
        "UPDATE accounts_auditevent SET actor_name = 'mallory'",
        "DELETE FROM accounts_auditevent",
        f"INSERT {AGAIN} ON CONFLICT (id) DO UPDATE SET action = 'nothing'",
    ],
}


def test_the_database_itself_refuses(alice: User) -> None:
    event = audit.record(actor=alice, action="role.changed", after={"role": "viewer"})

    for sql in CHANGES["both"] + CHANGES[connection.vendor]:
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)

    row = AuditEvent.objects.get()
    assert (row.pk, row.actor_name, row.action) == (event.pk, "alice", "role.changed")
