from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent, InstanceSettings
from tests import factories

VALUES = {
    "instance_name": "Lab",
    "time_zone": "Europe/Berlin",
    "step_slots": "8",
    "heartbeat_threshold_minutes": "15",
    "retention_days": "90",
    "retention_runs": "500",
    "log_cap_mib": "32",
}


@pytest.mark.parametrize("who", ["as_bob", "as_charlie"])
def test_only_admins_see_and_change_settings(who: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(who)

    assert client.get("/settings/").status_code == 403
    assert client.post("/settings/", VALUES).status_code == 403
    assert InstanceSettings.load().instance_name == "Stepwell"


def test_all_settings_are_stored_shown_and_recorded(as_alice: Client) -> None:
    assert as_alice.post("/settings/", VALUES).status_code == 302

    row = InstanceSettings.load()
    assert {name: str(getattr(row, name)) for name in VALUES} == VALUES
    html = as_alice.get("/settings/").content.decode()
    assert "Lab" in html
    for value in VALUES.values():
        assert f'value="{value}"' in html
    event = AuditEvent.objects.get(action="settings.changed")
    assert (event.before["instance_name"], event.after["instance_name"]) == ("Stepwell", "Lab")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_zone", "Mars/Olympus"),
        ("step_slots", "0"),
        ("step_slots", "many"),
        ("retention_days", "-1"),
        ("log_cap_mib", "1" * 40),
        ("heartbeat_threshold_minutes", ""),
        ("instance_name", ""),
    ],
)
def test_wrong_value_is_said_beside_its_field_and_nothing_is_stored(as_alice: Client, name: str, value: str) -> None:
    response = as_alice.post("/settings/", {**VALUES, name: value})

    assert response.status_code == 422
    assert f'id="id_{name}_error"' in response.content.decode()
    assert InstanceSettings.load().instance_name == "Stepwell"


def test_retention_is_shown_before_it_is_saved(as_alice: Client) -> None:
    pipeline = factories.make_pipeline("train")
    for _ in range(3):
        factories.make_run(status="completed", pipeline=pipeline)
    response = as_alice.post("/settings/", {**VALUES, "retention_days": "0", "retention_runs": "1", "preview": "1"})

    assert response.status_code == 200
    assert "would remove 2 of 3 runs" in response.content.decode()
    assert 'value="1"' in response.content.decode()
    assert InstanceSettings.load().retention_runs == 0


def test_every_field_has_a_help_text(as_alice: Client) -> None:
    html = as_alice.get("/settings/").content.decode()

    for name in VALUES:
        assert f'id="id_{name}_helptext"' in html


def test_unknown_fields_are_not_taken(as_alice: Client) -> None:
    as_alice.post("/settings/", {**VALUES, "id": "7"})

    assert InstanceSettings.objects.count() == 1
