from __future__ import annotations

import shutil

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client

from stepwell.execution import disk
from stepwell.runs.models import RunnerNode
from stepwell.vault.actions import put_secret
from stepwell.web import health


def test_the_probe_asks_the_database_nothing(client: Client) -> None:
    # Without the mark, any query would be an error; in a browser the probe comes with a session.
    client.cookies[django_settings.SESSION_COOKIE_NAME] = "some-session"
    response = client.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
class TestReady:
    def test_a_fit_instance_says_so_and_tells_of_its_runner(self, client: Client) -> None:
        assert client.get("/readyz").content == b"database ok\nschema ok\nkeyring ok\ndisk ok\nrunner late\n"
        RunnerNode.objects.create(kind="runner", host="here", pid=1, seen_at=9e9)
        response = client.get("/readyz")
        assert (response.status_code, response.content.splitlines()[-1]) == (200, b"runner ok")

    def test_an_older_schema_is_not_ready(self, client: Client) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'alerts'")
        assert self.failing(client) == ["schema"]

    def test_a_key_ring_others_can_read_is_not_ready(self, client: Client, settings, tmp_path) -> None:
        settings.KEYRING_FILE = tmp_path / "keyring"
        settings.KEYRING_FILE.write_text("")
        settings.KEYRING_FILE.chmod(0o644)
        assert self.failing(client) == ["keyring"]

    @pytest.mark.parametrize("ring", ["", "{name}:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])
    def test_a_key_ring_that_opens_nothing_is_not_ready(self, client: Client, settings, tmp_path, ring) -> None:
        settings.KEYRING_FILE = tmp_path / "keyring"
        secret = put_secret(name="vault", values={"TOKEN": "a-long-value"}, by=None)
        version = secret.versions.get()
        right = settings.KEYRING_FILE.read_text()
        settings.KEYRING_FILE.write_text(ring.format(name=version.key_id))
        assert self.failing(client) == ["keyring"]

        settings.KEYRING_FILE.write_text(right)
        put_secret(name="other", values={"TOKEN": "another-value"}, by=None)
        version.ciphertext = b"x" * 60
        version.save()
        # One value that was changed fails those who need it, and nobody else.
        assert client.get("/readyz").status_code == 200

    def test_a_full_disk_is_not_ready(self, client: Client, monkeypatch) -> None:
        usage = shutil.disk_usage(django_settings.HOME)._replace(free=1000)
        monkeypatch.setattr(health.shutil, "disk_usage", lambda _: usage)
        assert self.failing(client) == ["disk"]

    def test_a_folder_of_results_that_cannot_be_used_is_not_ready(self, client: Client, monkeypatch, tmp_path) -> None:
        (tmp_path / "artifacts").write_text("in the way")
        monkeypatch.setattr(disk.inputs, "artifact_root", lambda: tmp_path / "artifacts")
        assert self.failing(client) == ["disk"]

    def test_a_database_that_is_away_is_not_ready_and_no_error(self, client: Client, monkeypatch) -> None:
        def away() -> bool:
            raise health.connection.Database.OperationalError("gone")

        monkeypatch.setitem(health._CHECKS, "database", away)
        assert self.failing(client) == ["database"]

    def failing(self, client: Client) -> list[str]:
        response = client.get("/readyz")
        assert response.status_code == 503
        lines = (line.split() for line in response.content.decode().splitlines())
        return [name for name, word in lines if word == "fail"]
