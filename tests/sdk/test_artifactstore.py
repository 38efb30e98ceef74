from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stepwell.errors import ArtifactError
from stepwell.sdk import artifactstore
from stepwell.sdk.artifactstore import ArtifactCorrupt, ArtifactStore, StorageFull, Stored


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def publish(store: ArtifactStore, files: dict[str, bytes], *, folder: str = "run/step/1", name: str = "out") -> Stored:
    draft = store.begin()
    base = draft.folder(name)
    for path, content in files.items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_bytes(content)
    return store.publish(draft, folder)[name]


def verify(store: ArtifactStore, stored: Stored) -> Path:
    return store.verify(stored.uri, size=stored.size, sha256=stored.sha256)


def test_published_files_are_read_back_from_the_recorded_place(store: ArtifactStore) -> None:
    stored = publish(store, {"a.txt": b"one", "deep/er/b.txt": b"three"})

    folder = verify(store, stored)

    assert stored.uri == "run/step/1/out"
    assert stored.size == 8
    assert (folder / "a.txt").read_bytes() == b"one"
    assert (folder / "deep/er/b.txt").read_bytes() == b"three"


def test_nothing_is_left_of_a_published_or_discarded_draft(store: ArtifactStore) -> None:
    publish(store, {"a": b"1"})
    store.begin().discard()

    assert os.listdir(store.root / artifactstore.DRAFTS) == []


def test_a_draft_is_not_visible_before_it_is_published(store: ArtifactStore) -> None:
    draft = store.begin()
    (draft.folder("out") / "a").write_bytes(b"1")

    with pytest.raises(ArtifactError):
        store.verify(f"{artifactstore.DRAFTS}/{draft.path.name}/out", size=1, sha256="")
    assert not (store.root / "run").exists()


def test_every_byte_is_on_disk_before_the_name_appears(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd))[1])
    monkeypatch.setattr(Path, "rename", lambda self, to: (calls.append("rename"), rename(self, to))[1])

    publish(store, {"a": b"1", "b/c": b"2"})

    at = calls.index("rename")
    assert {Path(path).name for path in calls[:at]} >= {"a", "c", "out"}
    assert calls[at + 1 :] == [str(store.root / "run/step")]


def test_equal_content_has_an_equal_hash_and_any_change_another_one(store: ArtifactStore) -> None:
    variants = [
        {"a": b"12"},
        {"b": b"12"},
        {"a": b"13"},
        {"a": b"1", "b": b"2"},
        {"a/b": b"12"},
        {"a": b"12", "b": b""},
    ]
    hashes = [publish(store, files, folder=f"run/{at}").sha256 for at, files in enumerate(variants)]

    assert len(set(hashes)) == len(variants)
    assert publish(store, {"a": b"12"}, folder="run/again").sha256 == hashes[0]


@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "extra", "missing file", "missing folder"])
def test_damage_is_found_and_names_what_was_wanted_and_got(store: ArtifactStore, damage: str) -> None:
    stored = publish(store, {"a": b"one", "b": b"two"})
    folder = store.root / stored.uri
    if damage == "flip":
        (folder / "a").write_bytes(b"onf")
    elif damage == "truncate":
        os.truncate(folder / "a", 1)
    elif damage == "append":
        (folder / "a").write_bytes(b"one+")
    elif damage == "extra":
        (folder / "c").write_bytes(b"")
    elif damage == "missing file":
        (folder / "a").unlink()
    else:
        folder.rename(store.root / "elsewhere")

    with pytest.raises(ArtifactCorrupt) as caught:
        verify(store, stored)

    assert caught.value.code == "artifact_corrupt"
    assert stored.uri in caught.value.message
    assert f"wanted 6 bytes, sha256 {stored.sha256}" in caught.value.message
    assert "; got " in caught.value.message


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/etc",
        "..",
        "../x",
        "run/../../x",
        "run//x",
        "run/./x",
        "./run",
        "run\\..\\x",
        "run/\0",
        "a/" * 600,
        "run/" + "x" * 300,
    ],
)
def test_names_that_leave_the_store_are_refused(store: ArtifactStore, uri: str) -> None:
    publish(store, {"a": b"1"})

    with pytest.raises(ArtifactError):
        store.resolve(uri)
    with pytest.raises(ArtifactError):
        publish(store, {"a": b"1"}, folder=uri)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "/etc"])
def test_an_output_cannot_be_named_like_a_path(store: ArtifactStore, name: str) -> None:
    draft = store.begin()

    with pytest.raises(ArtifactError):
        draft.folder(name)


def test_a_symbolic_link_in_the_store_is_not_followed(store: ArtifactStore, tmp_path: Path) -> None:
    stored = publish(store, {"a": b"1"})
    outside = tmp_path / "outside"
    (store.root / stored.uri).rename(outside)
    (store.root / stored.uri).symlink_to(outside)

    with pytest.raises(ArtifactError, match="symbolic link"):
        verify(store, stored)


def test_a_linked_file_inside_a_stored_value_is_not_read(store: ArtifactStore, tmp_path: Path) -> None:
    stored = publish(store, {"a": b"secret"})
    (tmp_path / "outside").write_bytes(b"secret")
    (store.root / stored.uri / "a").unlink()
    (store.root / stored.uri / "a").symlink_to(tmp_path / "outside")

    with pytest.raises(ArtifactError, match="neither a file nor a folder"):
        verify(store, stored)


def test_a_linked_parent_folder_cannot_send_a_new_value_outside(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    store.root.mkdir()
    (store.root / "run").symlink_to(tmp_path / "outside")

    with pytest.raises(ArtifactError, match="symbolic link"):
        publish(store, {"a": b"1"})
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_only_plain_files_are_published(store: ArtifactStore, kind: str) -> None:
    draft = store.begin()
    strange = draft.folder("out") / "strange"
    if kind == "link":
        strange.symlink_to("/etc/passwd")
    else:
        os.mkfifo(strange)

    with pytest.raises(ArtifactError, match="strange"):
        store.publish(draft, "run/step/1")
    assert not (store.root / "run").exists()


def test_what_is_published_is_never_replaced(store: ArtifactStore) -> None:
    first = publish(store, {"a": b"1"})
    second = publish(store, {"a": b"2"})

    assert second.uri != first.uri
    assert (verify(store, first) / "a").read_bytes() == b"1"
    assert (verify(store, second) / "a").read_bytes() == b"2"


def test_a_full_disk_is_named_and_publishes_nothing(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(StorageFull, match="No space left"):
        publish(store, {"a": b"1"})
    assert not (store.root / "run").exists()


def test_sweeping_removes_only_drafts_that_are_old(store: ArtifactStore) -> None:
    old, new = store.begin(), store.begin()
    stored = publish(store, {"a": b"1"})
    os.utime(old.path, (1, 1))

    assert store.sweep(older_than_seconds=3600) == 1
    assert not old.path.exists()
    assert new.path.exists()
    assert verify(store, stored)
