from __future__ import annotations

import logging
import traceback
from pathlib import Path
from uuid import uuid4

import pytest

from stepwell.accounts.models import AuditEvent, User
from stepwell.errors import NotFound
from stepwell.vault import actions, keyring, queries
from stepwell.vault.actions import SecretExists
from stepwell.vault.keyring import VaultError
from stepwell.vault.models import Secret, SecretUse, SecretVersion
from stepwell.vault.rules import NameRefused, SecretRefused

VALUE = "correct-horse-battery-staple"
OTHER = "tr0ub4dor-and-three"


@pytest.fixture(autouse=True)
def ring(tmp_path: Path, settings: object) -> Path:
    settings.KEYRING_FILE = tmp_path / "keyring"
    return settings.KEYRING_FILE


def put(name: str = "warehouse", **values: str) -> Secret:
    return actions.put_secret(name=name, values=values or {"TOKEN": VALUE}, by=None)


def read(*names: str) -> dict[str, str]:
    return actions.values_for_step(names=names, run_id=uuid4(), step_name="load", attempt_id=uuid4())


def test_step_gets_what_was_put(db: None) -> None:
    values = {"USER_NAME": "alice", "PEM": "-----BEGIN-----\nüñ→\n-----END-----\n", "SPACES": "  four  "}
    put(**values)

    assert read("warehouse") == values


def test_a_secret_is_named_by_its_id_too(db: None) -> None:
    secret, other = put(), put("other", OTHER=OTHER)

    assert read(str(secret.id), "other") == {"TOKEN": VALUE, "OTHER": OTHER}
    assert set(SecretUse.objects.values_list("secret", flat=True)) == {secret.id, other.id}
    actions.check_names([str(secret.id)])
    with pytest.raises(NotFound, match=str(missing := uuid4())):
        actions.check_names([str(missing), "other"])


def test_step_without_secrets_gets_nothing(db: None) -> None:
    assert read() == {}


def test_of_two_secrets_with_one_key_the_later_named_counts(db: None) -> None:
    put("first", TOKEN=VALUE, ONE="1111")
    put("second", TOKEN=OTHER)

    assert read("first", "second") == {"TOKEN": OTHER, "ONE": "1111"}
    assert read("second", "first")["TOKEN"] == VALUE


def test_reading_is_written_down_per_secret(db: None) -> None:
    put("first", ONE=VALUE)
    put("second", TWO=VALUE)
    run, attempt = uuid4(), uuid4()
    actions.values_for_step(names=["second", "first", "second"], run_id=run, step_name="load", attempt_id=attempt)

    uses = SecretUse.objects.order_by("id").values_list("secret__name", "version", "run_id", "step_name", "attempt_id")
    assert list(uses) == [("second", 1, run, "load", attempt), ("first", 1, run, "load", attempt)]


def test_unknown_names_are_all_named_and_nothing_is_read(db: None) -> None:
    put("first")

    with pytest.raises(NotFound, match="second, third"):
        actions.check_names(["second", "first", "third"])
    with pytest.raises(NotFound):
        read("first", "second")
    assert not SecretUse.objects.exists()
    actions.check_names(["first", "first"])


def test_rotation_replaces_the_whole_set(db: None) -> None:
    secret = put(TOKEN=VALUE, OLD=VALUE)
    actions.rotate_secret(secret=secret, values={"TOKEN": OTHER}, by=None)

    assert read("warehouse") == {"TOKEN": OTHER}
    secret.refresh_from_db()
    assert (secret.keys, secret.version) == (["TOKEN"], 2)
    assert secret.rotated_at is not None


def test_name_is_taken_once(db: None) -> None:
    put()

    with pytest.raises(SecretExists):
        put(TOKEN=OTHER)
    assert read("warehouse") == {"TOKEN": VALUE}


def test_deleted_secret_is_gone_with_its_versions(db: None) -> None:
    secret = put()
    actions.delete_secret(secret=secret, by=None)

    assert not SecretVersion.objects.exists()
    with pytest.raises(NotFound):
        actions.delete_secret(secret=secret, by=None)
    with pytest.raises(NotFound):
        actions.rotate_secret(secret=secret, values={"TOKEN": OTHER}, by=None)


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "x" * 101, "ä", "a\n", "../x", "a\x00"])
def test_bad_name_is_refused(db: None, name: str) -> None:
    with pytest.raises(NameRefused):
        actions.put_secret(name=name, values={"TOKEN": VALUE}, by=None)


@pytest.mark.parametrize(
    "key",
    [
        *("", "1A", "A-B", "A B", "A=B", "Ä", "A\n", "A" * 201),
        *("PATH", "path", "HOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP"),
        *("STEPWELL_HOME", "Stepwell_X", "BASH_ENV", "DYLD_INSERT_LIBRARIES"),
    ],
)
def test_key_that_cannot_be_or_would_break_the_step_is_refused(db: None, key: str) -> None:
    with pytest.raises(SecretRefused) as raised:
        actions.put_secret(name="warehouse", values={"GOOD": VALUE, key: VALUE}, by=None)

    assert list(raised.value.details["fields"]) == [key]
    assert VALUE not in str(raised.value) + repr(raised.value.details)
    assert not Secret.objects.exists()


@pytest.mark.parametrize("value", ["", "abc", "abcd\x00", "abc\udc80d", "x" * 65_537, "é" * 32_769])
def test_value_that_cannot_be_masked_or_passed_on_is_refused(db: None, value: str) -> None:
    with pytest.raises(SecretRefused) as raised:
        actions.put_secret(name="warehouse", values={"TOKEN": value}, by=None)

    assert not value or value not in str(raised.value)


def test_limits_themselves_are_accepted(db: None) -> None:
    put("long", TOKEN="x" * 65_536, SHORT="abcd")
    put("many", **{f"KEY_{number}": VALUE for number in range(50)})

    assert len(read("many")) == 50


def test_too_many_keys_and_too_much_together_are_refused(db: None) -> None:
    with pytest.raises(SecretRefused):
        put(**{f"KEY_{number}": VALUE for number in range(51)})
    with pytest.raises(SecretRefused):
        put(**{f"KEY_{number}": "x" * 60_000 for number in range(20)})
    with pytest.raises(SecretRefused):
        actions.put_secret(name="warehouse", values={}, by=None)


@pytest.mark.parametrize("swapped", ["ciphertext of two secrets", "ciphertext of two versions"])
def test_swapped_rows_do_not_open(db: None, swapped: str) -> None:
    first = put("first")
    second = put("second", TOKEN=OTHER)
    if swapped == "ciphertext of two versions":
        actions.rotate_secret(secret=first, values={"TOKEN": OTHER}, by=None)
        one, two = SecretVersion.objects.filter(secret=first).order_by("number")
    else:
        one, two = SecretVersion.objects.get(secret=first), SecretVersion.objects.get(secret=second)
    SecretVersion.objects.filter(pk=one.pk).update(ciphertext=bytes(two.ciphertext))
    SecretVersion.objects.filter(pk=two.pk).update(ciphertext=bytes(one.ciphertext))

    with pytest.raises(VaultError, match="first"):
        read("first")
    assert not SecretUse.objects.exists()


def test_flipped_bit_does_not_open(db: None) -> None:
    put()
    version = SecretVersion.objects.get()
    changed = bytearray(version.ciphertext)
    changed[20] ^= 1
    SecretVersion.objects.update(ciphertext=bytes(changed))

    with pytest.raises(VaultError, match="warehouse"):
        read("warehouse")


def test_lost_key_is_said_and_never_replaced_in_silence(db: None, ring: Path) -> None:
    secret = put()
    ring.unlink()

    with pytest.raises(VaultError, match="warehouse"):
        read("warehouse")
    with pytest.raises(VaultError, match="backup"):
        actions.rotate_secret(secret=secret, values={"TOKEN": OTHER}, by=None)
    assert not ring.exists()
    secret.refresh_from_db()
    assert secret.version == 1


def test_no_value_or_key_in_errors_logs_or_tracebacks(db: None, ring: Path, caplog: pytest.LogCaptureFixture) -> None:
    put()
    keyring.add_key()
    material = ring.read_text()
    ring.write_text(material.splitlines()[0] + "\n")
    caplog.set_level(logging.DEBUG)

    with pytest.raises(VaultError) as raised:
        read("warehouse")
    shown = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert VALUE not in shown
    assert material.splitlines()[0].split(":")[1] not in shown


def test_audit_names_keys_and_never_values(alice: User) -> None:
    secret = actions.put_secret(name="warehouse", values={"TOKEN": VALUE}, by=alice, ip="203.0.113.7")
    secret = actions.rotate_secret(secret=secret, values={"TOKEN": OTHER, "MORE": OTHER}, by=alice)
    actions.delete_secret(secret=secret, by=alice)

    deleted, rotated, created = AuditEvent.objects.all()
    assert [event.action for event in (created, rotated, deleted)] == [
        "secret.created",
        "secret.rotated",
        "secret.deleted",
    ]
    assert (rotated.before, rotated.after) == (
        {"keys": ["TOKEN"], "version": 1},
        {"keys": ["TOKEN", "MORE"], "version": 2},
    )
    stored = repr(AuditEvent.objects.values())
    assert VALUE not in stored
    assert OTHER not in stored


def test_rekey_seals_everything_anew_and_values_stay(db: None) -> None:
    secret = put()
    actions.rotate_secret(secret=secret, values={"TOKEN": OTHER}, by=None)
    put("second", TWO=VALUE)
    before = {bytes(version.ciphertext) for version in SecretVersion.objects.all()}
    new = keyring.add_key()

    assert actions.rekey(batch=2) == 3
    assert set(SecretVersion.objects.values_list("key_id", flat=True)) == {new.id}
    assert not before & {bytes(version.ciphertext) for version in SecretVersion.objects.all()}
    assert read("warehouse", "second") == {"TOKEN": OTHER, "TWO": VALUE}
    assert actions.rekey() == 0


def test_after_two_key_rotations_the_first_key_is_forgotten(db: None) -> None:
    put()
    first = keyring.load()[0].id
    actions.rotate_keys()
    actions.rotate_keys()

    assert first not in {key.id for key in keyring.load()}
    assert read("warehouse") == {"TOKEN": VALUE}


def test_rekey_stops_at_what_it_cannot_open(db: None) -> None:
    put()
    version = SecretVersion.objects.get()
    SecretVersion.objects.update(ciphertext=b"x" * len(version.ciphertext))
    keyring.add_key()

    with pytest.raises(VaultError):
        actions.rekey()


def test_list_shows_the_most_recent_use(db: None) -> None:
    put("a")
    put("b")
    read("a")
    run = uuid4()
    actions.values_for_step(names=["a"], run_id=run, step_name="train", attempt_id=uuid4())

    used, unused = queries.list_secrets()
    assert (used.name, used.use.run_id, used.use.step_name) == ("a", run, "train")
    assert unused.use is None
