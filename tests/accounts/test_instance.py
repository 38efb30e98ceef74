from __future__ import annotations

import pytest

from stepwell.accounts import actions
from stepwell.accounts.models import AuditEvent, InstanceSettings, User
from stepwell.errors import UsageError


def test_change_is_stored_and_recorded_field_by_field(alice: User) -> None:
    before = InstanceSettings.load().step_slots
    actions.change_settings(values={"step_slots": 9, "instance_name": "Stepwell"}, by=alice)

    event = AuditEvent.objects.get()
    assert InstanceSettings.load().step_slots == 9
    assert (event.before, event.after) == ({"step_slots": before}, {"step_slots": 9})


def test_saving_what_is_there_already_records_nothing(alice: User) -> None:
    actions.change_settings(values={"retention_days": 0}, by=alice)

    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step_slots", 0),
        ("step_slots", 257),
        ("heartbeat_threshold_minutes", 0),
        ("retention_days", -1),
        ("log_cap_mib", 0),
        ("time_zone", "Mars/Olympus"),
        ("instance_name", ""),
        ("instance_name", "x" * 61),
    ],
)
def test_value_that_does_not_fit_changes_nothing(alice: User, name: str, value: object) -> None:
    before = InstanceSettings.load()

    with pytest.raises(UsageError) as raised:
        actions.change_settings(values={"log_cap_mib": 32, name: value}, by=alice)
    assert list(raised.value.details["fields"]) == [name]
    assert InstanceSettings.load().log_cap_mib == before.log_cap_mib


def test_unknown_setting_is_refused(alice: User) -> None:
    with pytest.raises(UsageError):
        actions.change_settings(values={"id": 2}, by=alice)
