from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from stepwell.vault import keyring
from stepwell.vault.keyring import VaultError, WrongKey


@pytest.fixture(autouse=True)
def ring(tmp_path: Path, settings: object) -> Path:
    settings.KEYRING_FILE = tmp_path / "keyring"
    return settings.KEYRING_FILE


def test_ring_is_made_on_first_use_for_its_owner_only(ring: Path) -> None:
    key = keyring.newest(make=True)

    assert stat.S_IMODE(ring.stat().st_mode) == 0o600
    assert keyring.newest(make=True) == key
    assert [path.name for path in ring.parent.iterdir() if path.name not in {"keyring", "keyring.lock"}] == []


def test_of_many_at_once_all_get_the_same_first_key() -> None:
    barrier = threading.Barrier(8)
    got: list[str] = []

    def make() -> None:
        barrier.wait(10)
        got.append(keyring.newest(make=True).id)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(got) == 8
    assert len(set(got)) == 1


def test_new_key_comes_first_and_the_old_one_still_opens() -> None:
    old = keyring.newest(make=True)
    sealed = keyring.seal(b"value", key=old, context="a:1")
    new = keyring.add_key()

    assert [key.id for key in keyring.load()] == [new.id, old.id]
    assert keyring.unseal(sealed, key_id=old.id, context="a:1") == b"value"


def test_dropping_keeps_the_newest_two_and_those_in_use() -> None:
    keys = [keyring.newest(make=True), *(keyring.add_key() for _ in range(4))]

    assert keyring.drop_keys(keep={keys[0].id}) == [keys[2].id, keys[1].id]
    assert [key.id for key in keyring.load()] == [keys[4].id, keys[3].id, keys[0].id]


def test_other_context_does_not_open() -> None:
    key = keyring.newest(make=True)
    sealed = keyring.seal(b"value", key=key, context="a:1")

    for context in ("a:2", "b:1", ""):
        with pytest.raises(WrongKey):
            keyring.unseal(sealed, key_id=key.id, context=context)


@pytest.mark.parametrize("position", [0, 11, 12, 15, -1])
def test_flipped_bit_does_not_open(position: int) -> None:
    key = keyring.newest(make=True)
    sealed = bytearray(keyring.seal(b"value", key=key, context="a:1"))
    sealed[position] ^= 1

    with pytest.raises(WrongKey):
        keyring.unseal(bytes(sealed), key_id=key.id, context="a:1")


@pytest.mark.parametrize("sealed", [b"", b"x" * 12, b"x" * 27])
def test_cut_text_does_not_open(sealed: bytes) -> None:
    key = keyring.newest(make=True)

    with pytest.raises(WrongKey):
        keyring.unseal(sealed, key_id=key.id, context="a:1")


def test_same_value_is_sealed_differently_each_time() -> None:
    key = keyring.newest(make=True)

    assert len({keyring.seal(b"value", key=key, context="a:1") for _ in range(50)}) == 50


def test_ring_others_can_read_is_refused(ring: Path) -> None:
    keyring.newest(make=True)
    ring.chmod(0o640)

    with pytest.raises(VaultError, match="chmod 600"):
        keyring.load()


@pytest.mark.parametrize("line", ["nonsense", "id:", ":AAAA", "id:AAAA", "id:not base64!", "id:\N{SNOWMAN}"])
def test_damaged_ring_is_refused_without_quoting_it(ring: Path, line: str) -> None:
    ring.write_text(f"{line}\n", encoding="utf-8")
    ring.chmod(0o600)

    with pytest.raises(VaultError) as raised:
        keyring.load()
    assert line not in str(raised.value)


def test_lost_ring_is_not_made_anew_over_sealed_values() -> None:
    with pytest.raises(VaultError, match="backup"):
        keyring.newest(make=False)

    assert keyring.load() == []


def test_key_does_not_print_itself() -> None:
    key = keyring.newest(make=True)

    assert repr(key.material) not in repr(key)
    assert str(key.material) not in str([key])
