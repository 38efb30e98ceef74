"""``stepwell secrets``, ``tokens`` and ``login-link``."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from stepwell.accounts import actions, audit
from stepwell.accounts.models import ApiToken, AuditEvent, User
from stepwell.conf import cli
from stepwell.vault.actions import values_for_step
from stepwell.vault.models import Secret, SecretVersion

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STEPWELL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(settings, "KEYRING_FILE", tmp_path / "home" / "keyring")
    (tmp_path / "home").mkdir(mode=0o700)
    return tmp_path / "home"


@pytest.fixture
def stepwell(capsys):
    def run(*words):
        code = cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def stored(name):
    id_ = "01900000-0000-7000-8000-000000000000"
    return values_for_step(names=[name], run_id=id_, step_name="s", attempt_id=id_)


class TestSecrets:
    def test_values_come_from_standard_input_one_a_line(self, stepwell, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("first value\nsecond=value\n"))
        code, out, _ = stepwell("secrets", "create", "warehouse", "DB_USER", "DB_PASSWORD", "--stdin")

        assert (code, out) == (0, "Secret warehouse was created with DB_USER, DB_PASSWORD.\n")
        assert stored("warehouse") == {"DB_USER": "first value", "DB_PASSWORD": "second=value"}

    def test_the_audit_log_says_whose_command_it_was(self, stepwell, monkeypatch):
        monkeypatch.setenv("LOGNAME", "ana")
        monkeypatch.setattr("sys.stdin", io.StringIO("first value\n"))
        stepwell("secrets", "create", "warehouse", "DB_USER", "--stdin")
        audit.record(actor=None, action="afterwards")

        assert list(AuditEvent.objects.order_by("id").values_list("action", "actor_name")) == [
            ("secret.created", "ana (command line)"),
            ("afterwards", ""),
        ]

    def test_values_come_from_the_environment(self, stepwell, monkeypatch):
        monkeypatch.setenv("DB_PASSWORD", "from the environment")

        assert stepwell("secrets", "create", "w", "DB_PASSWORD", "--from-env")[0] == 0
        assert stored("w") == {"DB_PASSWORD": "from the environment"}

    def test_values_are_asked_for_without_echo(self, stepwell, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        monkeypatch.setattr("sys.stdin", Terminal())
        monkeypatch.setattr("stepwell.conf.cli_admin.getpass", lambda prompt: f"typed for {prompt}")

        assert stepwell("secrets", "create", "w", "DB_PASSWORD")[0] == 0
        assert stored("w") == {"DB_PASSWORD": "typed for Value of DB_PASSWORD: "}

    def test_a_value_on_the_command_line_is_refused_and_not_repeated(self, stepwell):
        code, out, err = stepwell("secrets", "create", "w", "DB_PASSWORD=hunter22")

        assert (code, out) == (2, "")
        assert "DB_PASSWORD" in err
        assert "hunter22" not in err
        assert not Secret.objects.exists()

    def test_missing_variables_and_lines_are_named(self, stepwell, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("only one\n"))
        monkeypatch.delenv("NOT_THERE", raising=False)

        assert "2 keys" in stepwell("secrets", "create", "w", "A_KEY", "B_KEY", "--stdin")[2]
        assert "NOT_THERE" in stepwell("secrets", "create", "w", "NOT_THERE", "--from-env")[2]
        assert not Secret.objects.exists()

    def test_rotate_list_and_delete(self, stepwell, monkeypatch):
        monkeypatch.setenv("A_KEY", "old value")
        stepwell("secrets", "create", "w", "A_KEY", "--from-env")
        monkeypatch.setenv("A_KEY", "new value")

        assert stepwell("secrets", "rotate", "w", "A_KEY", "--from-env")[0] == 0
        assert stored("w") == {"A_KEY": "new value"}
        code, out, _ = stepwell("secrets", "--json")
        assert code == 0
        assert [(row["name"], row["keys"], row["version"]) for row in json.loads(out)] == [("w", ["A_KEY"], 2)]
        assert "value" not in out + stepwell("secrets")[1]
        assert stepwell("secrets", "delete", "w")[0] == 0
        assert stepwell("secrets") == (0, "No secrets.\n", "")

    def test_rekey_makes_a_key_and_keeps_the_values(self, stepwell, monkeypatch):
        monkeypatch.setenv("A_KEY", "some value")
        stepwell("secrets", "create", "w", "A_KEY", "--from-env")
        before = SecretVersion.objects.get().key_id

        assert stepwell("secrets", "rekey") == (
            0,
            "A new key was made, and 1 stored value was encrypted with it.\n",
            "",
        )
        assert SecretVersion.objects.get().key_id != before
        assert stored("w") == {"A_KEY": "some value"}

    def test_an_unknown_secret_names_the_near_ones(self, stepwell, monkeypatch):
        monkeypatch.setenv("A_KEY", "some value")
        stepwell("secrets", "create", "warehouse", "A_KEY", "--from-env")

        assert "Did you mean warehouse?" in stepwell("secrets", "delete", "warehose")[2]
        assert stepwell("secrets", "rotate", "nothing", "A_KEY", "--from-env")[0] == 1


class TestTokens:
    def test_a_token_is_printed_once_alone_and_works(self, stepwell):
        code, out, _ = stepwell("tokens", "create", "ci", "--role", "viewer", "--days", "30")
        user, token = actions.token_user(out.strip())

        assert code == 0
        assert (user.username, token.role, token.name) == ("admin", "viewer", "ci")
        assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=31)
        listed = stepwell("tokens", "--json")[1]
        assert out.strip() not in listed + stepwell("tokens")[1]
        assert json.loads(listed)[0]["prefix"] == token.prefix

    def test_a_token_for_somebody_cannot_have_more_than_their_role(self, stepwell):
        actions.make_user(name="vera", role="viewer")

        assert stepwell("tokens", "create", "x", "--user", "vera", "--role", "admin")[0] == 1
        assert stepwell("tokens", "create", "x", "--user", "Vera", "--role", "viewer", "--days", "0")[0] == 0
        assert ApiToken.objects.get().expires_at is None
        assert "Did you mean vera?" in stepwell("tokens", "create", "x", "--user", "veera")[2]

    def test_revoking_by_name_prefix_or_id_ends_the_token(self, stepwell):
        raws = [stepwell("tokens", "create", name)[1].strip() for name in ("a", "b", "c")]
        rows = {row.name: row for row in ApiToken.objects.all()}

        for ref in ("a", rows["b"].prefix, rows["c"].id):
            assert stepwell("tokens", "revoke", ref)[0] == 0
        assert [actions.token_user(raw) for raw in raws] == [None, None, None]
        assert stepwell("tokens", "revoke", "a")[0] == 1

    def test_a_name_two_tokens_have_is_not_a_guess(self, stepwell):
        stepwell("tokens", "create", "ci")
        stepwell("tokens", "create", "ci")

        assert stepwell("tokens", "revoke", "ci")[0] == 2
        assert not ApiToken.objects.exclude(revoked_at=None).exists()


class TestLoginLink:
    def test_it_signs_in_once_at_the_address_of_the_running_server(self, stepwell, home):
        (home / "address").write_text("http://127.0.0.1:4711")
        actions.make_user(name="vera", role="viewer")
        code, out, _ = stepwell("login-link", "vera")
        found = re.fullmatch(r"http://127\.0\.0\.1:4711/login/([\w-]+)/\n", out)

        assert code == 0
        assert actions.use_login_link(raw=found[1]).username == "vera"

    def test_it_leads_to_where_people_reach_the_instance(self, stepwell, monkeypatch):
        monkeypatch.setenv("STEPWELL_PUBLIC_URL", "https://runs.example.org/")
        assert stepwell("login-link")[1].startswith("https://runs.example.org/login/")

    def test_without_a_name_it_is_for_the_first_admin_who_is_made_if_need_be(self, stepwell):
        code, out, _ = stepwell("login-link")

        assert code == 0
        assert out.startswith("http://127.0.0.1:8321/login/")
        assert not User.objects.get(username="admin").has_usable_password()

    def test_an_unknown_user_is_named(self, stepwell):
        assert stepwell("login-link", "nobody")[0] == 1
