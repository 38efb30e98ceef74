"""Settings that would open an instance stop its start."""

from __future__ import annotations

import runpy

import pytest
from django.core.exceptions import ImproperlyConfigured

from stepwell.conf import env
from stepwell.conf import settings as settings_module


@pytest.mark.parametrize("hosts", ["runs.example.org", "localhost,10.0.0.7", "*"])
def test_debug_is_refused_where_others_can_come(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    monkeypatch.setenv("STEPWELL_DEBUG", "true")
    monkeypatch.setenv("STEPWELL_HOSTS", hosts)

    with pytest.raises(ImproperlyConfigured, match="STEPWELL_DEBUG"):
        runpy.run_path(settings_module.__file__)


def test_debug_is_off_unless_asked_for_and_stays_possible_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runpy.run_path(settings_module.__file__)["DEBUG"] is False
    monkeypatch.setenv("STEPWELL_DEBUG", "true")
    assert runpy.run_path(settings_module.__file__)["DEBUG"] is True
    env.refuse_debug_beyond_this_machine(debug=False, hosts=["runs.example.org"])


def test_hosts_are_those_of_the_variable_and_this_machine_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runpy.run_path(settings_module.__file__)["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    monkeypatch.setenv("STEPWELL_HOSTS", "runs.example.org")
    assert runpy.run_path(settings_module.__file__)["ALLOWED_HOSTS"] == ["runs.example.org"]


def test_a_role_that_newcomers_cannot_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPWELL_OIDC_ROLE", "admin")

    with pytest.raises(ImproperlyConfigured, match="Use viewer or operator or none"):
        runpy.run_path(settings_module.__file__)


def test_a_level_of_the_log_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPWELL_LOG_LEVEL", "loud")

    with pytest.raises(ImproperlyConfigured, match=r"STEPWELL_LOG_LEVEL is “loud”\. Use INFO or DEBUG"):
        runpy.run_path(settings_module.__file__)
