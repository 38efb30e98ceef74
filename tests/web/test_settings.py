from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent, InstanceSettings
from stepwell.conf.database import database_from_url
from stepwell.web.settings_environment import environment_rows
from tests import factories
from tests.architecture.source import ROOT
from tests.web.page import read

VALUES = {
    "instance_name": "Lab",
    "time_zone": "Europe/Berlin",
    "step_slots": "8",
    "heartbeat_threshold_minutes": "15",
    "retention_days": "90",
    "retention_runs": "500",
    "log_cap_mib": "32",
    "step_retries": "2",
    "step_retry_wait_seconds": "30",
    "step_timeout_seconds": "3600",
    "redaction_patterns": "",
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
    assert row.step_cache is False
    html = as_alice.get("/settings/").content.decode()
    assert "Lab" in html
    for value in filter(None, VALUES.values()):
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


def test_patterns_hidden_in_logs_are_stored_and_recorded(as_alice: Client) -> None:
    patterns = "api_key\n/AKIA[0-9A-Z]{16}/"
    assert as_alice.post("/settings/", {**VALUES, "redaction_patterns": patterns}).status_code == 302

    page = read(as_alice.get("/settings/"))
    assert page.one("textarea", name="redaction_patterns").text == patterns.replace("\n", " ")
    event = AuditEvent.objects.get(action="settings.changed")
    assert event.before["redaction_patterns"] == ""
    assert event.after["redaction_patterns"].split() == patterns.split()


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("/(a+)+/", "give it one, such as {1,20}"), ("no name", "“no name” is not a name"), ("/[/", "unterminated")],
)
def test_a_pattern_that_does_not_do_is_named_beside_the_field(as_alice: Client, pattern: str, said: str) -> None:
    response = as_alice.post("/settings/", {**VALUES, "redaction_patterns": f"api_key\n{pattern}"})

    assert said in read(response, status=422).one("div", id="id_redaction_patterns_error").text
    assert InstanceSettings.load().redaction_patterns == ""


def test_unknown_fields_are_not_taken(as_alice: Client) -> None:
    as_alice.post("/settings/", {**VALUES, "id": "7"})

    assert InstanceSettings.objects.count() == 1


def test_each_setting_says_where_its_value_comes_from(as_alice: Client) -> None:
    assert read(as_alice.get("/settings/")).all("span", class_="form__source")[0].text == "default"

    as_alice.post("/settings/", {**VALUES, "time_zone": "UTC", "step_cache": "on"})
    sources = [line.text for line in read(as_alice.get("/settings/")).all("span", class_="form__source")]

    # In the order of the form: the name and the others were changed, the zone was not.
    assert len(sources) == len(VALUES) + 1
    assert sources[0] == "set here just now by alice"
    assert sources[1] == "default"


def test_slots_of_the_first_start_come_from_its_variable(as_alice: Client, settings: Any) -> None:
    settings.STEP_SLOTS_DEFAULT = 7

    page = read(as_alice.get("/settings/"))

    assert page.one("input", name="step_slots")["value"] == "7"
    assert "STEPWELL_STEP_SLOTS at the first start" in page.text


def rows_of(client: Client) -> dict[str, tuple[str, str]]:
    """Return value and source of every variable on the page."""
    found = {}
    for row in read(client.get("/settings/")).one("section", aria_labelledby="environment").all("tr"):
        if cells := row.all("td"):
            found[cells[0].one("code").text] = (cells[1].one("code").text, cells[1].one("div").text)
    return found


def test_every_variable_of_the_documents_has_its_value_and_source(
    as_alice: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("STEPWELL_LEASE_SECONDS", "45")
    settings.LEASE_SECONDS = 45.0
    monkeypatch.delenv("STEPWELL_UPLOAD_MB", raising=False)

    rows = rows_of(as_alice)

    documented = set(re.findall(r"^\| `([A-Z0-9_]+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert documented - rows.keys() == {
        "STEPWELL_URL",
        "STEPWELL_TOKEN",
        "STEPWELL_FAILPOINT",
        "STEPWELL_FAILPOINT_COUNTS",
    }
    assert rows.keys() <= documented
    assert rows["STEPWELL_LEASE_SECONDS"] == ("45 s", "this variable")
    assert rows["STEPWELL_UPLOAD_MB"] == ("10.0 GiB", "default")


def test_no_secret_and_no_password_is_on_the_page(
    as_alice: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("STEPWELL_SECRET_KEY", "canary-1")
    monkeypatch.setenv("STEPWELL_OIDC_SECRET_FILE", "/run/secrets/oidc")
    monkeypatch.setenv("REDIS_URL", "redis://ana:canary-2@cache.example:6380/0?password=canary-3")
    settings.REDIS_URL = "redis://ana:canary-2@cache.example:6380/0?password=canary-3"

    rows = rows_of(as_alice)

    assert "canary" not in as_alice.get("/settings/").content.decode()
    assert rows["STEPWELL_SECRET_KEY"] == ("set", "this variable")
    assert rows["STEPWELL_OIDC_SECRET"] == ("set", "STEPWELL_OIDC_SECRET_FILE")
    assert rows["REDIS_URL"] == ("redis://ana@cache.example:6380/0", "this variable")


def test_the_database_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    made = database_from_url("postgres://ana:canary@db.example:5433/stepwell?sslpassword=canary", home=Path("/nowhere"))
    monkeypatch.setitem(settings.DATABASES, "default", made)

    rows = {row.name: row for _, group in environment_rows() for row in group}

    assert rows["DATABASE_URL"].value == "postgres://ana@db.example:5433/stepwell"
